variables {
  release = {
    arm64 = { url = "https://example.net/burrow_arm64.deb", sha256 = "0000000000000000000000000000000000000000000000000000000000000001" }
  }
}

run "behind_a_proxy" {
  command = plan

  variables {
    domain       = "burrow.example.net"
    state_device = "/dev/disk/by-id/nvme-state"
    geoip        = { url = "https://example.net/city.mmdb", sha256 = "0000000000000000000000000000000000000000000000000000000000000003" }
  }
  assert {
    condition     = yamldecode(output.user_data).write_files[0].content == "BURROW_GEOIP=/usr/local/share/burrow/geoip.mmdb\nBURROW_LISTEN=127.0.0.1:8080\nBURROW_STORE=sqlite\nBURROW_TRUST_PROXY=1\n"
    error_message = "behind its proxy it listens on loopback and believes the proxy"
  }
  assert {
    condition     = output.urls[0] == "https://burrow.example.net" && [for rule in output.firewall : rule.port] == [443, 80]
    error_message = "agents come by TLS"
  }
  assert {
    condition     = can(regex("set -eu\n/usr/local/sbin/burrow-mount-state\n/usr/local/sbin/burrow-install\n", one([for file in yamldecode(output.user_data).write_files : file.content if file.path == "/usr/local/sbin/burrow-first-boot"])))
    error_message = "the disk is there before anything is written to it"
  }
}

run "without_a_domain" {
  command = plan

  assert {
    condition     = strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_LISTEN=[::]:8080\n")
    error_message = "it listens on all addresses"
  }
  assert {
    condition     = !strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_TRUST_PROXY")
    error_message = "nobody's X-Forwarded-For is believed"
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    domain       = "https://burrow.example.net"
    http_port    = 80
    forget_days  = 0
    store        = "nats://127.0.0.1:4222"
    state_device = "/dev/nvme1n1"
    geoip        = { url = "city.mmdb", sha256 = "x" }
    settings     = { PATH = "/tmp" }
  }
  expect_failures = [var.forget_days, var.domain, var.http_port, var.store, var.state_device, var.geoip, var.settings]
}
