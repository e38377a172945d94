# Renders the cloud-init of one relay. Makes no resource: any cloud that takes user data can run it.

locals {
  places = jsondecode(file("${path.module}/places.json"))

  # [latitude, longitude], or null where nobody said.
  looked_up = try(local.places[var.cloud][var.cloud_region], null)
  at        = var.place == null ? local.looked_up : [var.place.latitude, var.place.longitude]

  # How /usr/lib/burrow/find-addresses learns the public addresses; elsewhere the coordinator takes what it sees.
  addresses = {
    aws          = { BURROW_ADDRESSES = "aws" }
    gcp          = { BURROW_ADDRESSES = "gcp" }
    hetzner      = { BURROW_ADDRESSES = "interface" }
    digitalocean = { BURROW_ADDRESSES = "interface" }
    other        = {}
  }

  settings = merge(
    {
      BURROW_COORDINATOR   = var.coordinator_url
      BURROW_REGION        = var.region
      BURROW_LISTEN        = "0.0.0.0:${var.udp_port}"
      BURROW_FURTHER_PORTS = length(var.further_udp_ports) == 0 ? "none" : join(",", var.further_udp_ports)
      BURROW_HTTP          = "${var.health_public ? "[::]" : "127.0.0.1"}:${var.health_port}"
      BURROW_DRAIN_SECONDS = tostring(var.drain_seconds)
    },
    var.websocket ? { BURROW_WSS = "[::]:443" } : {},
    local.at == null ? {} : { BURROW_AT = join(",", local.at) },
    local.addresses[var.cloud],
    var.settings,
  )

  install_script = templatefile("${path.module}/install.sh.tftpl", {
    packages = var.release
    needs    = concat(["ca-certificates", "curl"], var.packages)
  })

  token_files = var.token == null ? [] : [
    { path = "/etc/burrow/relay.token", permissions = "0600", content = "${var.token}\n" },
  ]
  token_scripts = var.token_command == null ? [] : [
    {
      path        = "/usr/local/sbin/burrow-fetch-token"
      permissions = "0700"
      content     = templatefile("${path.module}/fetch-token.sh.tftpl", { token_command = var.token_command })
    },
  ]

  ready_files = var.ready_command == null ? [] : [
    {
      path        = "/usr/local/sbin/burrow-tell-ready"
      permissions = "0755"
      content     = templatefile("${path.module}/tell-ready.sh.tftpl", { ready_command = var.ready_command, health_port = var.health_port })
    },
  ]

  dns_port_files = !contains(var.further_udp_ports, 53) ? [] : [
    { path = "/usr/local/sbin/burrow-free-dns-port", permissions = "0755", content = file("${path.module}/free-dns-port.sh") },
  ]

  first_boot_files = [
    { path = "/etc/systemd/system/burrow-first-boot.service", permissions = "0644", content = file("${path.module}/burrow-first-boot.service") },
    {
      path        = "/usr/local/sbin/burrow-first-boot"
      permissions = "0755"
      content = templatefile("${path.module}/first-boot.sh.tftpl", {
        steps = concat(
          ["/usr/local/sbin/burrow-install"],
          var.token_command == null ? [] : ["/usr/local/sbin/burrow-fetch-token"],
          contains(var.further_udp_ports, 53) ? ["/usr/local/sbin/burrow-free-dns-port"] : [],
          ["systemctl enable --now burrow-relay.service burrow-health.timer"],
          var.ready_command == null ? [] : ["/usr/local/sbin/burrow-tell-ready"],
        )
      })
    },
  ]

  cloud_config = merge(
    {
      write_files = concat(
        [
          {
            path        = "/etc/burrow/relay.env"
            permissions = "0644"
            content     = join("", [for name, value in local.settings : "${name}=${value}\n"])
          },
          { path = "/etc/burrow/health.env", permissions = "0644", content = "BURROW_HEAL=${var.heal}\n" },
          { path = "/usr/local/sbin/burrow-install", permissions = "0755", content = local.install_script },
        ],
        local.token_files,
        local.token_scripts,
        local.ready_files,
        local.dns_port_files,
        local.first_boot_files,
      )
      # Only begun here: what fails is repeated by the unit, which cloud-init would not do.
      runcmd = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "--no-block", "burrow-first-boot.service"]]
    },
    length(var.ssh_authorized_keys) == 0 ? {} : { ssh_authorized_keys = var.ssh_authorized_keys },
  )
}
