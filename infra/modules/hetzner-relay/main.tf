# Relays in one Hetzner location. There are no instance groups: the machine's own watchdog restarts the relay, then
# reboots; `terraform apply -replace` puts another machine in the place of one that is beyond that.

locals {
  region     = coalesce(var.region, var.location)
  full_name  = "${var.name}-${var.location}"
  everywhere = ["0.0.0.0/0", "::/0"]

  restricted = concat(
    length(var.monitoring_cidrs) == 0 ? [] : [{ port = var.health_port, cidrs = var.monitoring_cidrs }],
    length(var.ssh_cidrs) == 0 ? [] : [{ port = 22, cidrs = var.ssh_cidrs }],
  )
}

module "relay" {
  source = "../relay"

  coordinator_url     = var.coordinator_url
  region              = local.region
  cloud               = "hetzner"
  cloud_region        = var.location
  place               = var.place
  release             = var.release
  token               = var.relay_token
  udp_port            = var.udp_port
  further_udp_ports   = var.further_udp_ports
  health_port         = var.health_port
  health_public       = length(var.monitoring_cidrs) > 0
  heal                = "reboot"
  settings            = var.settings
  ssh_authorized_keys = var.ssh_authorized_keys
}

resource "hcloud_firewall" "relay" {
  name = "${local.full_name}-relay"

  dynamic "rule" {
    for_each = module.relay.firewall
    content {
      direction   = "in"
      protocol    = rule.value.protocol
      port        = tostring(rule.value.port)
      source_ips  = local.everywhere
      description = rule.value.reason
    }
  }

  dynamic "rule" {
    for_each = local.restricted
    content {
      direction  = "in"
      protocol   = "tcp"
      port       = tostring(rule.value.port)
      source_ips = rule.value.cidrs
    }
  }
}

resource "hcloud_server" "relay" {
  count = var.relays

  name         = "${local.full_name}-${count.index + 1}"
  location     = var.location
  server_type  = var.server_type
  image        = var.image
  ssh_keys     = var.ssh_keys
  user_data    = module.relay.user_data
  firewall_ids = [hcloud_firewall.relay.id]
  # Time to drain when it is shut down, before it is deleted.
  shutdown_before_deletion = true

  public_net {
    ipv4_enabled = true
    ipv6_enabled = true
  }

  labels = {
    burrow = "relay"
    region = local.region
  }

  # Another release, setting or token would replace all machines at once: they are replaced one by one, as
  # docs/deploy.md has it, or upgraded in place.
  lifecycle {
    ignore_changes = [user_data]
  }
}

resource "hcloud_zone_rrset" "ipv4" {
  count = var.dns_zone == null ? 0 : var.relays

  zone    = var.dns_zone
  name    = "relay-${var.location}-${count.index + 1}"
  type    = "A"
  ttl     = 60
  records = [{ value = hcloud_server.relay[count.index].ipv4_address }]
}

resource "hcloud_zone_rrset" "ipv6" {
  count = var.dns_zone == null ? 0 : var.relays

  zone    = var.dns_zone
  name    = "relay-${var.location}-${count.index + 1}"
  type    = "AAAA"
  ttl     = 60
  records = [{ value = hcloud_server.relay[count.index].ipv6_address }]
}
