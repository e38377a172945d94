output "url" {
  description = "Where relays and agents reach it."
  value       = var.domain == null ? "http://${aws_eip.coordinator.public_ip}:${module.coordinator.firewall[0].port}" : module.coordinator.urls[0]
}

output "addresses" {
  description = "What the domain's A and AAAA records must say."
  value = {
    ipv4 = aws_eip.coordinator.public_ip
    ipv6 = local.ipv6
  }
}

output "ssh" {
  description = "How an operator logs in."
  value       = "ssh admin@${aws_eip.coordinator.public_ip}"
}

output "monitoring" {
  description = "What a monitoring system needs: health and metrics of the coordinator."
  value = {
    aws_region  = var.aws_region
    health_path = "/healthz"
    path        = "/metrics"
  }
}
