# Relays in one DigitalOcean region. There are no groups with health checks: the machine's own watchdog restarts the
# relay, then reboots; `terraform apply -replace` puts another machine in the place of one that is beyond that.

locals {
  region     = coalesce(var.region, var.do_region)
  full_name  = "${var.name}-${var.do_region}"
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
  cloud               = "digitalocean"
  cloud_region        = var.do_region
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

resource "digitalocean_droplet" "relay" {
  count = var.relays

  name       = "${local.full_name}-${count.index + 1}"
  region     = var.do_region
  size       = var.size
  image      = var.image
  ssh_keys   = var.ssh_keys
  user_data  = module.relay.user_data
  ipv6       = true
  monitoring = true
  # Time to drain when it is shut down, before it is destroyed.
  graceful_shutdown = true
  tags              = ["burrow-relay", digitalocean_tag.relay.name]

  # Another release, setting or token would replace all machines at once: they are replaced one by one, as
  # docs/deploy.md has it, or upgraded in place.
  lifecycle {
    ignore_changes = [user_data]
  }
  depends_on = [digitalocean_firewall.relay]
}

# By their tag the firewall knows machines before they are there, and until they have gone.
resource "digitalocean_tag" "relay" {
  name = local.full_name
}

resource "digitalocean_firewall" "relay" {
  name = "${local.full_name}-relay"
  tags = [digitalocean_tag.relay.name]

  dynamic "inbound_rule" {
    for_each = module.relay.firewall
    content {
      protocol         = inbound_rule.value.protocol
      port_range       = tostring(inbound_rule.value.port)
      source_addresses = local.everywhere
    }
  }

  dynamic "inbound_rule" {
    for_each = local.restricted
    content {
      protocol         = "tcp"
      port_range       = tostring(inbound_rule.value.port)
      source_addresses = inbound_rule.value.cidrs
    }
  }

  dynamic "outbound_rule" {
    for_each = ["tcp", "udp"]
    content {
      protocol              = outbound_rule.value
      port_range            = "1-65535"
      destination_addresses = local.everywhere
    }
  }

  outbound_rule {
    protocol              = "icmp"
    destination_addresses = local.everywhere
  }
}

resource "digitalocean_record" "ipv4" {
  count = var.dns_domain == null ? 0 : var.relays

  domain = var.dns_domain
  name   = "relay-${var.do_region}-${count.index + 1}"
  type   = "A"
  ttl    = 60
  value  = digitalocean_droplet.relay[count.index].ipv4_address
}

resource "digitalocean_record" "ipv6" {
  count = var.dns_domain == null ? 0 : var.relays

  domain = var.dns_domain
  name   = "relay-${var.do_region}-${count.index + 1}"
  type   = "AAAA"
  ttl    = 60
  value  = digitalocean_droplet.relay[count.index].ipv6_address
}
