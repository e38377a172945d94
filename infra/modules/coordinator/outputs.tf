output "user_data" {
  description = "The cloud-init document."
  value       = "#cloud-config\n${yamlencode(local.cloud_config)}"
}

output "urls" {
  description = "Where relays and agents reach it; a list, so that clusters have a place later. Empty without a domain: then the address is the cloud's to tell."
  value       = local.url == null ? [] : [local.url]
}

output "firewall" {
  description = "What must be let in from anywhere: protocol and port, with the reason."
  value = var.domain == null ? [
    { protocol = "tcp", port = var.http_port, reason = "relays and agents" },
    ] : [
    { protocol = "tcp", port = 443, reason = "relays and agents" },
    { protocol = "tcp", port = 80, reason = "proof of the domain for its certificate" },
  ]
}
