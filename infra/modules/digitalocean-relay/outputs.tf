output "region" {
  description = "What the mesh calls this place."
  value       = local.region
}

output "place" {
  description = "Latitude and longitude in degrees."
  value       = module.relay.place
}

output "addresses" {
  description = "Public addresses of the machines."
  value       = [for droplet in digitalocean_droplet.relay : { ipv4 = droplet.ipv4_address, ipv6 = droplet.ipv6_address }]
}

output "monitoring" {
  description = "What a monitoring system needs: targets for /healthz and /metrics."
  value = {
    region      = local.region
    cloud       = "digitalocean"
    targets     = [for droplet in digitalocean_droplet.relay : "${droplet.ipv4_address}:${var.health_port}"]
    health_path = "/healthz"
    path        = "/metrics"
    reachable   = length(var.monitoring_cidrs) > 0
  }
}
