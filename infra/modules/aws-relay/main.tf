# A group of relays in one AWS region: new machines enrol themselves, dead ones are replaced.

locals {
  region        = coalesce(var.region, var.aws_region)
  full_name     = "${var.name}-${var.aws_region}"
  instance_type = coalesce(var.instance_type, var.architecture == "arm64" ? "t4g.small" : "t3.small")
  image         = "resolve:ssm:${coalesce(var.image_parameter, "/aws/service/debian/release/12/latest/${var.architecture}")}"

  # Named here and not by the group's own attribute: the machines that tell it something are made by it.
  group_name  = "${local.full_name}-relay"
  launch_hook = "relay-ready"

  # arn:PARTITION:ssm:REGION:ACCOUNT:parameter/…
  arn_parts = split(":", aws_ssm_parameter.token.arn)

  token_parameter = "/${var.name}/${var.aws_region}/relay-token"

  # One rule for each port and family; keys are what the rules are called in the state.
  public_rules = merge([
    for rule in module.relay.firewall : {
      "${rule.protocol}-${rule.port}-ipv4" = merge(rule, { ipv4 = "0.0.0.0/0", ipv6 = null })
      "${rule.protocol}-${rule.port}-ipv6" = merge(rule, { ipv4 = null, ipv6 = "::/0" })
    }
  ]...)
  restricted = concat(
    [for cidr in var.monitoring_cidrs : { cidr = cidr, port = var.health_port, reason = "health and metrics" }],
    [for cidr in var.ssh_cidrs : { cidr = cidr, port = 22, reason = "SSH" }],
  )
  restricted_rules = {
    for rule in local.restricted : "tcp-${rule.port}-${rule.cidr}" => {
      protocol = "tcp"
      port     = rule.port
      reason   = rule.reason
      ipv4     = strcontains(rule.cidr, ":") ? null : rule.cidr
      ipv6     = strcontains(rule.cidr, ":") ? rule.cidr : null
    }
  }
}

module "relay" {
  source = "../relay"

  coordinator_url = var.coordinator_url
  region          = local.region
  cloud           = "aws"
  cloud_region    = var.aws_region
  place           = var.place
  release         = var.release
  packages        = ["awscli"]
  token_command   = "aws ssm get-parameter --region '${var.aws_region}' --name '${local.token_parameter}' --with-decryption --query Parameter.Value --output text"
  ready_command = templatefile("${path.module}/complete-launch.sh.tftpl", {
    aws_region = var.aws_region
    group      = local.group_name
    hook       = local.launch_hook
  })
  udp_port            = var.udp_port
  further_udp_ports   = var.further_udp_ports
  health_port         = var.health_port
  health_public       = length(var.monitoring_cidrs) > 0
  heal                = "poweroff"
  settings            = var.settings
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "network" {
  source = "../aws-network"

  name  = local.full_name
  cidr  = var.cidr
  zones = var.zones
}

resource "aws_security_group" "relay" {
  name        = "${local.full_name}-relay"
  description = "Burrow relays"
  vpc_id      = module.network.vpc_id

  tags = { Name = "${local.full_name}-relay" }
}

resource "aws_vpc_security_group_ingress_rule" "relay" {
  for_each = merge(local.public_rules, local.restricted_rules)

  security_group_id = aws_security_group.relay.id
  description       = each.value.reason
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.ipv4
  cidr_ipv6         = each.value.ipv6
}

resource "aws_vpc_security_group_egress_rule" "relay" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.relay.id
  description       = "everything out"
  ip_protocol       = "-1"
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

# Written, never read back: neither state nor plan holds the token.
resource "aws_ssm_parameter" "token" {
  name             = local.token_parameter
  description      = "Enrolment token of Burrow's relays"
  type             = "SecureString"
  value_wo         = var.relay_token
  value_wo_version = var.relay_token_version
}

resource "aws_iam_role" "relay" {
  name = "${local.full_name}-relay"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } },
    ]
  })
}

resource "aws_iam_role_policy" "token" {
  name = "read-relay-token"
  role = aws_iam_role.relay.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "ssm:GetParameter", Resource = aws_ssm_parameter.token.arn },
    ]
  })
}

# A machine may say that it is ready to this group and to no other.
resource "aws_iam_role_policy" "ready" {
  name = "complete-launch"
  role = aws_iam_role.relay.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "autoscaling:CompleteLifecycleAction"
        Resource = "arn:${local.arn_parts[1]}:autoscaling:${var.aws_region}:${local.arn_parts[4]}:autoScalingGroup:*:autoScalingGroupName/${local.group_name}"
      },
    ]
  })
}

resource "aws_iam_instance_profile" "relay" {
  name = "${local.full_name}-relay"
  role = aws_iam_role.relay.name
}

resource "aws_launch_template" "relay" {
  name          = "${local.full_name}-relay"
  image_id      = local.image
  instance_type = local.instance_type
  user_data     = base64encode(module.relay.user_data)

  # A machine that powers itself off, because its relay stays dead, is gone: the group then makes another.
  instance_initiated_shutdown_behavior = "terminate"
  update_default_version               = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.relay.arn
  }
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
  network_interfaces {
    associate_public_ip_address = true
    ipv6_address_count          = 1
    security_groups             = [aws_security_group.relay.id]
  }
  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${local.full_name}-relay" }
  }
}

resource "aws_autoscaling_group" "relay" {
  name                = local.group_name
  min_size            = var.relays
  max_size            = var.relays
  desired_capacity    = var.relays
  vpc_zone_identifier = module.network.subnet_ids
  health_check_type   = "EC2"
  # From when it is in service, and so has been ready once.
  health_check_grace_period = 60
  # As long as the first machines have to become ready: else a region would be made in which nothing serves.
  wait_for_capacity_timeout = "25m"

  # A machine is in service when its relay has registered and the machine has said so; one that never does is replaced.
  initial_lifecycle_hook {
    name                 = local.launch_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 1200
    default_result       = "ABANDON"
  }

  launch_template {
    id      = aws_launch_template.relay.id
    version = aws_launch_template.relay.latest_version
  }

  # A changed template replaces machines one by one, each new one in service before the old one drains and stops. If
  # none gets there, that ends and the old ones stay. AWS rolls nothing back whose image is named by a parameter
  # (RollbackInstanceRefresh in its reference): a refresh that asks for it is refused.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 110
      instance_warmup        = 60
      skip_matching          = true
    }
  }

  tag {
    key                 = "Name"
    value               = "${local.full_name}-relay"
    propagate_at_launch = true
  }

  # All that machines need to come up, and to reach their agents while they drain: made before them, gone after them.
  depends_on = [
    aws_iam_role_policy.token,
    aws_iam_role_policy.ready,
    aws_vpc_security_group_ingress_rule.relay,
    aws_vpc_security_group_egress_rule.relay,
  ]
}
