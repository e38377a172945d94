# One coordinator on one machine, with a fixed address and a disk of its own for its state.

locals {
  full_name     = "${var.name}-coordinator"
  instance_type = coalesce(var.instance_type, var.architecture == "arm64" ? "t4g.small" : "t3.small")
  image         = "resolve:ssm:${coalesce(var.image_parameter, "/aws/service/debian/release/12/latest/${var.architecture}")}"

  ipv6 = tolist(aws_network_interface.coordinator.ipv6_addresses)[0]

  public_rules = merge([
    for rule in module.coordinator.firewall : {
      "${rule.protocol}-${rule.port}-ipv4" = merge(rule, { ipv4 = "0.0.0.0/0", ipv6 = null })
      "${rule.protocol}-${rule.port}-ipv6" = merge(rule, { ipv4 = null, ipv6 = "::/0" })
    }
  ]...)
  ssh_rules = {
    for cidr in var.ssh_cidrs : "tcp-22-${cidr}" => {
      protocol = "tcp"
      port     = 22
      reason   = "SSH"
      ipv4     = strcontains(cidr, ":") ? null : cidr
      ipv6     = strcontains(cidr, ":") ? cidr : null
    }
  }
}

module "coordinator" {
  source = "../coordinator"

  release             = var.release
  domain              = var.domain
  geoip               = var.geoip
  settings            = var.settings
  ssh_authorized_keys = var.ssh_authorized_keys
  # By the volume's id, which Nitro machines show as the disk's serial number: no other disk can be taken for it.
  state_device = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${replace(aws_ebs_volume.state.id, "-", "")}"
}

module "network" {
  source = "../aws-network"

  name  = local.full_name
  cidr  = var.cidr
  zones = [var.zone]
}

resource "aws_security_group" "coordinator" {
  name        = local.full_name
  description = "Burrow coordinator"
  vpc_id      = module.network.vpc_id

  tags = { Name = local.full_name }
}

resource "aws_vpc_security_group_ingress_rule" "coordinator" {
  for_each = merge(local.public_rules, local.ssh_rules)

  security_group_id = aws_security_group.coordinator.id
  description       = each.value.reason
  ip_protocol       = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.ipv4
  cidr_ipv6         = each.value.ipv6
}

resource "aws_vpc_security_group_egress_rule" "coordinator" {
  for_each = { ipv4 = "0.0.0.0/0", ipv6 = "::/0" }

  security_group_id = aws_security_group.coordinator.id
  description       = "everything out"
  ip_protocol       = "-1"
  cidr_ipv4         = each.key == "ipv4" ? each.value : null
  cidr_ipv6         = each.key == "ipv6" ? each.value : null
}

# Only a launch template can name its image by a public parameter; so Terraform asks AWS nothing while planning.
resource "aws_launch_template" "coordinator" {
  name                   = local.full_name
  image_id               = local.image
  instance_type          = local.instance_type
  update_default_version = true

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
}

# Has the addresses of both families, which so stay when the machine is replaced: the domain's records lead to them.
resource "aws_network_interface" "coordinator" {
  subnet_id          = module.network.subnet_ids[0]
  security_groups    = [aws_security_group.coordinator.id]
  ipv6_address_count = 1

  tags = { Name = local.full_name }
}

resource "aws_instance" "coordinator" {
  user_data = module.coordinator.user_data
  # A newer release or setting makes a new machine; its state waits on the other disk.
  user_data_replace_on_change = true

  launch_template {
    id      = aws_launch_template.coordinator.id
    version = aws_launch_template.coordinator.latest_version
  }
  network_interface {
    network_interface_id = aws_network_interface.coordinator.id
    device_index         = 0
  }

  tags = { Name = local.full_name }

  # Its way out from the first second to the last.
  depends_on = [
    aws_eip.coordinator,
    aws_vpc_security_group_ingress_rule.coordinator,
    aws_vpc_security_group_egress_rule.coordinator,
  ]
}

resource "aws_ebs_volume" "state" {
  availability_zone = var.zone
  size              = var.disk_gb
  type              = "gp3"
  encrypted         = true

  tags = { Name = "${local.full_name}-state" }
}

resource "aws_volume_attachment" "state" {
  volume_id   = aws_ebs_volume.state.id
  instance_id = aws_instance.coordinator.id
  device_name = "/dev/sdf"
  # The file system is unmounted in order before the disk is taken away.
  stop_instance_before_detaching = true
}

resource "aws_eip" "coordinator" {
  domain            = "vpc"
  network_interface = aws_network_interface.coordinator.id

  tags = { Name = local.full_name }
}

resource "aws_route53_record" "coordinator" {
  for_each = var.dns_zone_id == null || var.domain == null ? {} : {
    A    = aws_eip.coordinator.public_ip
    AAAA = local.ipv6
  }

  zone_id = var.dns_zone_id
  name    = var.domain
  type    = each.key
  ttl     = 60
  records = [each.value]
}
