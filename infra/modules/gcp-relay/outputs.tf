output "region" {
  description = "What the mesh calls this place."
  value       = local.region
}

output "place" {
  description = "Latitude and longitude in degrees."
  value       = module.relay.place
}

output "group" {
  description = "The managed instance group of the relays."
  value       = google_compute_region_instance_group_manager.relay.name
}

output "monitoring" {
  description = "What a monitoring system needs to find the relays: the group, and the port."
  value = {
    region      = local.region
    cloud       = "gcp"
    gcp_region  = var.gcp_region
    group       = google_compute_region_instance_group_manager.relay.instance_group
    port        = var.health_port
    health_path = "/healthz"
    path        = "/metrics"
    reachable   = length(var.monitoring_cidrs) > 0
  }
}
