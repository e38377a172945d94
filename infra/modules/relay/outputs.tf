output "user_data" {
  description = "The cloud-init document. Holds the token if it was given as `token`."
  value       = "#cloud-config\n${yamlencode(local.cloud_config)}"
  sensitive   = true

  precondition {
    condition     = (var.token == null) != (var.token_command == null)
    error_message = "Give token or token_command: one of them, and not both."
  }
  precondition {
    condition     = var.cloud == "other" || local.at != null
    error_message = "places.json does not know where ${var.cloud}'s ${coalesce(var.cloud_region, "(no cloud_region given)")} is; add it there or give place."
  }
}

output "place" {
  description = "Latitude and longitude in degrees; null where neither was known."
  value       = local.at == null ? null : { latitude = local.at[0], longitude = local.at[1] }
}

output "region" {
  description = "What the mesh calls this place."
  value       = var.region
}

output "firewall" {
  description = "What must be let in from anywhere: protocol and port, with the reason."
  value = concat(
    [{ protocol = "udp", port = var.udp_port, reason = "agents and other relays" }],
    [for port in var.further_udp_ports : { protocol = "udp", port = port, reason = "agents whose network blocks other UDP ports" }],
    var.websocket ? [{ protocol = "tcp", port = 443, reason = "agents whose network blocks UDP" }] : [],
  )
}

output "health_port" {
  description = "TCP port of /healthz, /readyz and /metrics."
  value       = var.health_port
}
