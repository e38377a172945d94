variables {
  coordinator_url = "https://burrow.example.net"
  region          = "eu-central"
  cloud           = "aws"
  cloud_region    = "eu-central-1"
  token           = "burrow_abc"
  release = {
    arm64 = { url = "https://example.net/burrow_arm64.deb", sha256 = "0000000000000000000000000000000000000000000000000000000000000001" }
    amd64 = { url = "https://example.net/burrow_amd64.deb", sha256 = "0000000000000000000000000000000000000000000000000000000000000002" }
  }
}

run "renders_cloud_config" {
  command = plan

  assert {
    condition     = startswith(output.user_data, "#cloud-config\n")
    error_message = "cloud-init takes YAML only behind this line"
  }
  assert {
    condition     = strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_AT=50.11,8.68\n")
    error_message = "the place comes from the table"
  }
  assert {
    condition     = strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_HTTP=127.0.0.1:8090\n")
    error_message = "health is on loopback unless it is asked for"
  }
  assert {
    condition     = [for file in yamldecode(output.user_data).write_files : file.permissions if file.path == "/etc/burrow/relay.token"] == ["0600"]
    error_message = "the token is root's alone"
  }
  assert {
    condition     = !strcontains(yamldecode(output.user_data).write_files[0].content, "burrow_abc")
    error_message = "the token is not in the settings, which everybody may read"
  }
}

run "place_wins_over_table" {
  command = plan

  variables {
    place = { latitude = -1.5, longitude = 36.8 }
  }
  assert {
    condition     = output.place.latitude == -1.5 && output.place.longitude == 36.8
    error_message = "what is stated wins"
  }
}

run "token_command_instead_of_token" {
  command = plan

  variables {
    token         = null
    token_command = "echo burrow_abc"
  }
  assert {
    condition     = length([for file in yamldecode(output.user_data).write_files : file if file.path == "/etc/burrow/relay.token"]) == 0
    error_message = "then no token is in the user data"
  }
  assert {
    condition     = can(regex("burrow-install\n/usr/local/sbin/burrow-fetch-token\n/usr/local/sbin/burrow-free-dns-port\nsystemctl enable", one([for file in yamldecode(output.user_data).write_files : file.content if file.path == "/usr/local/sbin/burrow-first-boot"])))
    error_message = "it is fetched before the relay starts"
  }
}

run "opens_what_is_listened_on" {
  command = plan

  variables {
    udp_port          = 4500
    further_udp_ports = [123]
  }
  assert {
    condition     = [for rule in output.firewall : "${rule.protocol} ${rule.port}"] == ["udp 4500", "udp 123", "tcp 443"] && strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_FURTHER_PORTS=123\n") && strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_WSS=[::]:443\n")
    error_message = "the UDP ports, and TCP 443 for WebSocket"
  }
  assert {
    condition     = !strcontains(output.user_data, "burrow-free-dns-port")
    error_message = "the machine's DNS is left alone where its port is not asked for"
  }
}

run "opens_nothing_else" {
  command = plan

  variables {
    websocket         = false
    further_udp_ports = []
  }
  assert {
    condition     = output.firewall[*].port == [21820] && strcontains(yamldecode(output.user_data).write_files[0].content, "BURROW_FURTHER_PORTS=none\n") && !strcontains(output.user_data, "BURROW_WSS")
    error_message = "what nobody listens on is closed"
  }
}

run "says_when_it_is_ready" {
  command = plan

  variables {
    ready_command = "true"
  }
  assert {
    condition     = can(regex("burrow-relay.service burrow-health.timer\n/usr/local/sbin/burrow-tell-ready\n", one([for file in yamldecode(output.user_data).write_files : file.content if file.path == "/usr/local/sbin/burrow-first-boot"])))
    error_message = "once the relay has been started"
  }
}

run "refuses_ports_as_settings" {
  command = plan

  variables {
    settings = { BURROW_FURTHER_PORTS = "none" }
  }
  expect_failures = [var.settings]
}

run "refuses_a_port_twice" {
  command = plan

  variables {
    further_udp_ports = [53, 53]
  }
  expect_failures = [var.further_udp_ports]
}

run "refuses_the_same_port_again" {
  command = plan

  variables {
    udp_port = 53
  }
  expect_failures = [var.further_udp_ports]
}

run "refuses_both" {
  command = plan

  variables {
    token_command = "echo burrow_abc"
  }
  expect_failures = [output.user_data]
}

run "refuses_neither" {
  command = plan

  variables {
    token = null
  }
  expect_failures = [output.user_data]
}

run "refuses_unknown_place" {
  command = plan

  variables {
    cloud_region = "eu-nowhere-1"
  }
  expect_failures = [output.user_data]
}

run "refuses_wrong_values" {
  command = plan

  variables {
    coordinator_url = "burrow.example.net"
    region          = "EU Central"
    cloud           = "asw"
    udp_port        = 70000
    health_port     = 443
    heal            = "explode"
    drain_seconds   = 1000
    packages        = ["x; rm -rf /"]
    token           = "abc"
    settings        = { BURROW_TOKEN = "x" }
    place           = { latitude = 91, longitude = 0 }
    release         = { riscv64 = { url = "ftp://example.net", sha256 = "abc" } }
  }
  expect_failures = [
    var.coordinator_url, var.region, var.cloud, var.udp_port, var.health_port, var.heal, var.drain_seconds,
    var.packages, var.token, var.settings, var.place, var.release,
  ]
}
