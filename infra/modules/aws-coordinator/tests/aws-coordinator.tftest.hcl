mock_provider "aws" {
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }
  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8:1200::/56" }
  }
  mock_resource "aws_network_interface" {
    defaults = { ipv6_addresses = ["2001:db8:1200::7"] }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
  mock_resource "aws_eip" {
    defaults = { public_ip = "192.0.2.7" }
  }
}

variables {
  aws_region = "eu-central-1"
  zone       = "eu-central-1a"
  release = {
    arm64 = { url = "https://example.net/burrow_arm64.deb", sha256 = "0000000000000000000000000000000000000000000000000000000000000001" }
  }
}

run "with_a_domain" {
  variables {
    domain      = "burrow.example.net"
    dns_zone_id = "Z0123456789ABC"
  }

  assert {
    condition     = output.url == "https://burrow.example.net"
    error_message = "agents are given the domain"
  }
  assert {
    condition     = aws_route53_record.coordinator["A"].records == toset(["192.0.2.7"]) && aws_route53_record.coordinator["AAAA"].records == toset(["2001:db8:1200::7"])
    error_message = "its records name both addresses"
  }
  assert {
    condition     = strcontains(aws_instance.coordinator.user_data, "device='/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0'")
    error_message = "the state's disk is named by its volume's id"
  }
  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.coordinator)) == toset(["tcp-443-ipv4", "tcp-443-ipv6", "tcp-80-ipv4", "tcp-80-ipv6"])
    error_message = "only TLS, and what its certificate needs, is open"
  }
}

run "without_a_domain" {
  variables {
    ssh_cidrs = ["2001:db8::/48"]
  }

  assert {
    condition     = output.url == "http://192.0.2.7:8080" && length(aws_route53_record.coordinator) == 0
    error_message = "agents are given the address"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.coordinator["tcp-22-2001:db8::/48"].cidr_ipv6 == "2001:db8::/48"
    error_message = "SSH is open from where it was said"
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    name            = "-"
    aws_region      = "eu-central-1"
    zone            = "eu-west-1a"
    release         = { riscv64 = { url = "ftp://example.net", sha256 = "abc" } }
    domain          = "https://burrow.example.net"
    dns_zone_id     = "example.net"
    geoip           = { url = "city.mmdb", sha256 = "x" }
    architecture    = "riscv64"
    image_parameter = "ami-1234"
    disk_gb         = 0
    ssh_cidrs       = ["192.0.2.1/99"]
    settings        = { PATH = "/tmp" }
  }
  expect_failures = [
    var.name, var.zone, var.release, var.domain, var.dns_zone_id, var.geoip, var.architecture, var.image_parameter,
    var.disk_gb, var.ssh_cidrs, var.settings,
  ]
}
