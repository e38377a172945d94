mock_provider "aws" {
  mock_resource "aws_vpc" {
    defaults = { ipv6_cidr_block = "2001:db8:1200::/56" }
  }
  mock_resource "aws_internet_gateway" {
    defaults = { id = "igw-0123456789abcdef0" }
  }
}

variables {
  name = "burrow-eu-central-1"
}

run "both_families_lead_out" {
  assert {
    condition     = toset([for route in aws_route_table.this.route : "${coalesce(route.cidr_block, route.ipv6_cidr_block)} ${route.gateway_id}"]) == toset(["0.0.0.0/0 igw-0123456789abcdef0", "::/0 igw-0123456789abcdef0"])
    error_message = "everything goes out by the internet gateway, by IPv4 and by IPv6"
  }
  assert {
    condition     = length(aws_subnet.this) == 1 && aws_subnet.this[0].map_public_ip_on_launch && aws_subnet.this[0].assign_ipv6_address_on_creation && aws_subnet.this[0].ipv6_cidr_block == "2001:db8:1200::/64"
    error_message = "machines have public addresses of both families"
  }
  assert {
    condition     = aws_route_table_association.this[0].subnet_id == aws_subnet.this[0].id
    error_message = "the subnet has these routes"
  }
}

run "a_subnet_in_each_zone" {
  variables {
    zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  }

  assert {
    condition     = join(" ", aws_subnet.this[*].availability_zone) == "eu-central-1a eu-central-1b eu-central-1c" && length(output.subnet_ids) == 3
    error_message = "they are where it was said"
  }
  assert {
    condition     = join(" ", aws_subnet.this[*].cidr_block) == "10.21.0.0/19 10.21.32.0/19 10.21.64.0/19" && length(distinct(aws_subnet.this[*].ipv6_cidr_block)) == 3 && length(aws_route_table_association.this) == 3
    error_message = "each has ranges of its own, and the routes"
  }
}

run "refuses_wrong_values" {
  command = plan

  variables {
    name  = "-"
    cidr  = "10.0.0.0/30"
    zones = ["eu-central-1a", "eu-central-1a"]
  }
  expect_failures = [var.name, var.cidr, var.zones]
}
