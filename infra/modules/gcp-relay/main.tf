# A managed group of relays in one Google Cloud region: new machines enrol themselves, dead ones are replaced.

locals {
  region    = coalesce(var.region, var.gcp_region)
  full_name = "${var.name}-${var.gcp_region}"
  # Google's Debian images come without cloud-init.
  image = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-${var.architecture}"

  # At most 30 characters, which longer names would share if they were only cut.
  account_id = length(local.full_name) <= 30 ? local.full_name : "${trimsuffix(substr(local.full_name, 0, 21), "-")}-${substr(sha256(local.full_name), 0, 8)}"

  # From where Google's health checks come (cloud.google.com/load-balancing/docs/health-check-concepts).
  health_check_cidrs = ["35.191.0.0/16", "130.211.0.0/22"]

  udp_ports = [for rule in module.relay.firewall : tostring(rule.port) if rule.protocol == "udp"]
  tcp_ports = [for rule in module.relay.firewall : tostring(rule.port) if rule.protocol == "tcp"]

  # A firewall rule holds ranges of one family.
  public_sources = { ipv4 = ["0.0.0.0/0"], ipv6 = ["::/0"] }
  restricted = {
    for name, rule in {
      health-ipv4 = { port = var.health_port, cidrs = concat(local.health_check_cidrs, [for cidr in var.monitoring_cidrs : cidr if !strcontains(cidr, ":")]) }
      health-ipv6 = { port = var.health_port, cidrs = [for cidr in var.monitoring_cidrs : cidr if strcontains(cidr, ":")] }
      ssh-ipv4    = { port = 22, cidrs = [for cidr in var.ssh_cidrs : cidr if !strcontains(cidr, ":")] }
      ssh-ipv6    = { port = 22, cidrs = [for cidr in var.ssh_cidrs : cidr if strcontains(cidr, ":")] }
    } : name => rule if length(rule.cidrs) > 0
  }
}

module "relay" {
  source = "../relay"

  coordinator_url   = var.coordinator_url
  region            = local.region
  cloud             = "gcp"
  cloud_region      = var.gcp_region
  place             = var.place
  release           = var.release
  packages          = ["python3"]
  token_command     = templatefile("${path.module}/token-command.sh.tftpl", { secret = google_secret_manager_secret.token.id })
  udp_port          = var.udp_port
  further_udp_ports = var.further_udp_ports
  health_port       = var.health_port
  # The group's health check looks from outside.
  health_public       = true
  heal                = "restart"
  settings            = var.settings
  ssh_authorized_keys = var.ssh_authorized_keys
}

resource "google_compute_network" "relay" {
  name                    = local.full_name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "relay" {
  name             = local.full_name
  network          = google_compute_network.relay.id
  region           = var.gcp_region
  ip_cidr_range    = var.cidr
  stack_type       = "IPV4_IPV6"
  ipv6_access_type = "EXTERNAL"
}

resource "google_compute_firewall" "public" {
  for_each = local.public_sources

  name          = "${local.full_name}-${each.key}"
  network       = google_compute_network.relay.id
  source_ranges = each.value

  allow {
    protocol = "udp"
    ports    = local.udp_ports
  }
  allow {
    protocol = "tcp"
    ports    = local.tcp_ports
  }
}

resource "google_compute_firewall" "restricted" {
  for_each = local.restricted

  name          = "${local.full_name}-${each.key}"
  network       = google_compute_network.relay.id
  source_ranges = each.value.cidrs

  allow {
    protocol = "tcp"
    ports    = [tostring(each.value.port)]
  }
}

resource "google_service_account" "relay" {
  account_id   = local.account_id
  display_name = "Burrow relays in ${var.gcp_region}"
}

resource "google_secret_manager_secret" "token" {
  secret_id = "${local.full_name}-relay-token"

  replication {
    auto {}
  }
}

# Written, never read back: neither state nor plan holds the token.
resource "google_secret_manager_secret_version" "token" {
  secret                 = google_secret_manager_secret.token.id
  secret_data_wo         = var.relay_token
  secret_data_wo_version = var.relay_token_version
}

resource "google_secret_manager_secret_iam_member" "relay" {
  secret_id = google_secret_manager_secret.token.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.relay.email}"
}

resource "google_compute_region_instance_template" "relay" {
  name_prefix  = "${local.full_name}-"
  region       = var.gcp_region
  machine_type = var.machine_type
  metadata     = { user-data = module.relay.user_data }

  disk {
    source_image = local.image
    boot         = true
    auto_delete  = true
  }

  network_interface {
    subnetwork = google_compute_subnetwork.relay.id
    stack_type = "IPV4_IPV6"

    access_config {}
    ipv6_access_config {
      network_tier = "PREMIUM"
    }
  }

  service_account {
    email  = google_service_account.relay.email
    scopes = ["cloud-platform"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_health_check" "relay" {
  name                = local.full_name
  check_interval_sec  = 15
  timeout_sec         = 5
  healthy_threshold   = 2
  unhealthy_threshold = 8

  http_health_check {
    port         = var.health_port
    request_path = "/healthz"
  }
}

resource "google_compute_region_instance_group_manager" "relay" {
  name                      = local.full_name
  region                    = var.gcp_region
  base_instance_name        = local.full_name
  target_size               = var.relays
  distribution_policy_zones = length(var.zones) == 0 ? null : var.zones

  version {
    instance_template = google_compute_region_instance_template.relay.self_link
  }

  auto_healing_policies {
    health_check      = google_compute_health_check.relay.id
    initial_delay_sec = 300
  }

  # New machines first, then old ones stop and drain. A regional group makes at least one in each of its zones, of
  # which Google picks three.
  update_policy {
    type                  = "PROACTIVE"
    minimal_action        = "REPLACE"
    max_surge_fixed       = length(var.zones) == 0 ? 3 : length(var.zones)
    max_unavailable_fixed = 0
  }

  # All that machines need to come up, and to reach their agents while they drain: made before them, gone after them.
  depends_on = [
    google_secret_manager_secret_iam_member.relay,
    google_secret_manager_secret_version.token,
    google_compute_firewall.public,
    google_compute_firewall.restricted,
  ]
}
