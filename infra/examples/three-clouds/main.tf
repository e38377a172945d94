# Made by infra/generate.ts from the regions file beside it; change that, not this.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90.0, < 6.0.0"
    }
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = ">= 1.54.0, < 2.0.0"
    }
    google = {
      source  = "hashicorp/google"
      version = ">= 6.30.0, < 8.0.0"
    }
  }
}

variable "coordinator_url" {
  description = "Where the coordinator is, as relays reach it."
  type        = string
}

variable "release" {
  description = "The Debian packages made by `bun run build`, by architecture: where they can be downloaded, and their SHA-256."
  type = map(object({
    url    = string
    sha256 = string
  }))
}

variable "monitoring_cidrs" {
  description = "From where health and metrics may be read."
  type        = list(string)
  default     = []
}

variable "ssh_cidrs" {
  description = "From where SSH is let in."
  type        = list(string)
  default     = []
}

variable "ssh_authorized_keys" {
  description = "Public keys that may log in to the machines."
  type        = list(string)
  default     = []
}

variable "relay_token" {
  description = "Relay enrolment token for clouds that keep secrets; never in the state."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "relay_token_version" {
  description = "Count it up whenever relay_token is another one."
  type        = number
  default     = 1
}

variable "relay_token_in_state" {
  description = "Relay enrolment token for clouds that keep no secrets: another one, with few uses."
  type        = string
  sensitive   = true
}

variable "gcp_project" {
  description = "Google Cloud's project."
  type        = string
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"
}

provider "aws" {
  alias  = "ap_southeast_1"
  region = "ap-southeast-1"
}

provider "hcloud" {}

provider "google" {
  project = var.gcp_project
}

module "aws_us_east_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.us_east_1 }

  aws_region          = "us-east-1"
  region              = "us-east"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_ap_southeast_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.ap_southeast_1 }

  aws_region          = "ap-southeast-1"
  region              = "singapore"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "hetzner_fsn1" {
  source = "../../modules/hetzner-relay"

  location            = "fsn1"
  region              = "falkenstein"
  relays              = 2
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token_in_state
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "hetzner_ash" {
  source = "../../modules/hetzner-relay"

  location            = "ash"
  region              = "ashburn"
  relays              = 1
  server_type         = "cpx11"
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token_in_state
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "gcp_europe_west4" {
  source = "../../modules/gcp-relay"

  gcp_region          = "europe-west4"
  region              = "eemshaven"
  relays              = 2
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "gcp_southamerica_east1" {
  source = "../../modules/gcp-relay"

  gcp_region          = "southamerica-east1"
  region              = "sao-paulo"
  relays              = 1
  machine_type        = "e2-small"
  architecture        = "amd64"
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

output "monitoring" {
  description = "Where each region's health and metrics are found."
  value = {
    aws_us_east_1          = module.aws_us_east_1.monitoring
    aws_ap_southeast_1     = module.aws_ap_southeast_1.monitoring
    hetzner_fsn1           = module.hetzner_fsn1.monitoring
    hetzner_ash            = module.hetzner_ash.monitoring
    gcp_europe_west4       = module.gcp_europe_west4.monitoring
    gcp_southamerica_east1 = module.gcp_southamerica_east1.monitoring
  }
}
