output "region" {
  description = "What the mesh calls this place."
  value       = local.region
}

output "place" {
  description = "Latitude and longitude in degrees."
  value       = module.relay.place
}

output "group" {
  description = "The auto scaling group of the relays."
  value       = aws_autoscaling_group.relay.name
}

output "token_parameter" {
  description = "Where the enrolment token is kept."
  value       = aws_ssm_parameter.token.name
}

output "monitoring" {
  description = "What a monitoring system needs to find the relays: service discovery by tag, and the port."
  value = {
    region      = local.region
    cloud       = "aws"
    aws_region  = var.aws_region
    tag_name    = "${local.full_name}-relay"
    port        = var.health_port
    health_path = "/healthz"
    path        = "/metrics"
    reachable   = length(var.monitoring_cidrs) > 0
  }
}
