# The coordinator on AWS: the first thing to apply, before any relay.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90.0, < 6.0.0"
    }
  }
}

variable "aws_region" {
  description = "Where it stands."
  type        = string
  default     = "eu-central-1"
}

variable "domain" {
  description = "Name under which relays and agents reach it."
  type        = string
}

variable "dns_zone_id" {
  description = "Route 53 zone of the domain; null: its records are made elsewhere."
  type        = string
  default     = null
}

variable "release" {
  description = "The Debian packages made by `bun run build`, by architecture: where they can be downloaded, and their SHA-256."
  type = map(object({
    url    = string
    sha256 = string
  }))
}

variable "ssh_cidrs" {
  description = "From where operators log in."
  type        = list(string)
}

variable "ssh_authorized_keys" {
  description = "Operators' public keys."
  type        = list(string)
}

provider "aws" {
  region = var.aws_region
}

module "coordinator" {
  source = "../../modules/aws-coordinator"

  aws_region          = var.aws_region
  zone                = "${var.aws_region}a"
  domain              = var.domain
  dns_zone_id         = var.dns_zone_id
  release             = var.release
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

output "url" {
  description = "What relays and agents are given as --coordinator."
  value       = module.coordinator.url
}

output "addresses" {
  description = "What the domain's records must say."
  value       = module.coordinator.addresses
}

output "ssh" {
  description = "How an operator logs in."
  value       = module.coordinator.ssh
}
