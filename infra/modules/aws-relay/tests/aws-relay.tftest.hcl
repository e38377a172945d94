mock_provider "aws" {
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }
  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8:1200::/56" }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::123456789012:instance-profile/burrow" }
  }
  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/burrow" }
  }
}

variables {
  aws_region      = "eu-central-1"
  coordinator_url = "https://burrow.example.net"
  relay_token     = "burrow_abc"
  release = {
    arm64 = { url = "https://example.net/burrow_arm64.deb", sha256 = "0000000000000000000000000000000000000000000000000000000000000001" }
  }
}

run "one_relay" {
  assert {
    condition     = aws_autoscaling_group.relay.min_size == 1 && aws_autoscaling_group.relay.max_size == 1
    error_message = "one machine by default"
  }
  assert {
    condition     = aws_launch_template.relay.instance_type == "t4g.small" && strcontains(aws_launch_template.relay.image_id, "arm64")
    error_message = "ARM by default"
  }
  assert {
    condition     = aws_launch_template.relay.metadata_options[0].http_tokens == "required"
    error_message = "the metadata service asks for a session"
  }
  assert {
    condition     = !strcontains(base64decode(aws_launch_template.relay.user_data), "burrow_abc")
    error_message = "the token is not in the user data"
  }
  assert {
    condition = toset(keys(aws_vpc_security_group_ingress_rule.relay)) == toset([
      "udp-21820-ipv4", "udp-21820-ipv6", "udp-443-ipv4", "udp-443-ipv6", "udp-53-ipv4", "udp-53-ipv6", "tcp-443-ipv4", "tcp-443-ipv6",
    ])
    error_message = "without stated ranges neither health nor SSH is open"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.relay["ipv4"].cidr_ipv4 == "0.0.0.0/0" && aws_vpc_security_group_egress_rule.relay["ipv6"].cidr_ipv6 == "::/0"
    error_message = "everything may go out, by both families"
  }
  assert {
    condition     = aws_launch_template.relay.network_interfaces[0].ipv6_address_count == 1 && aws_launch_template.relay.network_interfaces[0].associate_public_ip_address == "true"
    error_message = "machines have public addresses of both families"
  }
  assert {
    condition     = one(aws_autoscaling_group.relay.initial_lifecycle_hook).default_result == "ABANDON"
    error_message = "what never says that it is ready is not taken into service"
  }
  assert {
    condition = alltrue([for text in ["--lifecycle-hook-name '${one(aws_autoscaling_group.relay.initial_lifecycle_hook).name}'", "--auto-scaling-group-name '${aws_autoscaling_group.relay.name}'"] :
      strcontains(one([for file in yamldecode(base64decode(aws_launch_template.relay.user_data)).write_files : file.content if endswith(file.path, "/burrow-tell-ready")]), text)
    ])
    error_message = "the machine completes the hook that its group has"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.ready.policy).Statement[0].Resource == "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*:autoScalingGroupName/${aws_autoscaling_group.relay.name}"
    error_message = "and may do so for this group alone"
  }
  assert {
    condition     = aws_autoscaling_group.relay.instance_refresh[0].preferences[0].auto_rollback != true || !startswith(aws_launch_template.relay.image_id, "resolve:ssm:")
    error_message = "AWS refuses to begin a refresh that may go back where a parameter names the image"
  }
  assert {
    condition     = length(output.place) == 2 && output.region == "eu-central-1"
    error_message = "the region's name and place are filled in"
  }
}

run "many_relays_watched" {
  variables {
    relays            = 4
    zones             = ["eu-central-1a", "eu-central-1b"]
    monitoring_cidrs  = ["192.0.2.0/24", "2001:db8::/48"]
    architecture      = "amd64"
    further_udp_ports = []
  }

  assert {
    condition     = !contains(keys(aws_vpc_security_group_ingress_rule.relay), "udp-53-ipv4")
    error_message = "what the relay does not listen on is closed"
  }

  assert {
    condition     = length(aws_autoscaling_group.relay.vpc_zone_identifier) == 2 && aws_autoscaling_group.relay.desired_capacity == 4
    error_message = "they are spread over the zones"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.relay["tcp-8090-192.0.2.0/24"].cidr_ipv4 == "192.0.2.0/24" && aws_vpc_security_group_ingress_rule.relay["tcp-8090-2001:db8::/48"].cidr_ipv6 == "2001:db8::/48"
    error_message = "health is open to monitoring alone, of both families"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.relay.user_data), "BURROW_HTTP=[::]:8090") && output.monitoring.reachable
    error_message = "and the relay answers there"
  }
  assert {
    condition     = aws_launch_template.relay.instance_type == "t3.small"
    error_message = "the machine fits the architecture"
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    name                = "-"
    aws_region          = "Frankfurt"
    relay_token         = "abc"
    relay_token_version = 0
    relays              = 101
    architecture        = "riscv64"
    image_parameter     = "ami-1234"
    monitoring_cidrs    = ["everywhere"]
    ssh_cidrs           = ["192.0.2.1/99"]
  }
  expect_failures = [
    var.name, var.aws_region, var.relay_token, var.relay_token_version, var.relays, var.architecture,
    var.image_parameter, var.monitoring_cidrs, var.ssh_cidrs,
  ]
}

run "refuses_zones_of_another_region" {
  command = plan

  variables {
    zones = ["eu-west-1a"]
  }
  expect_failures = [var.zones]
}
