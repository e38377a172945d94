# Made by infra/generate.ts from the regions file beside it; change that, not this.

terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90.0, < 6.0.0"
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

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"
}

provider "aws" {
  alias  = "us_west_2"
  region = "us-west-2"
}

provider "aws" {
  alias  = "ca_central_1"
  region = "ca-central-1"
}

provider "aws" {
  alias  = "sa_east_1"
  region = "sa-east-1"
}

provider "aws" {
  alias  = "eu_west_1"
  region = "eu-west-1"
}

provider "aws" {
  alias  = "eu_central_1"
  region = "eu-central-1"
}

provider "aws" {
  alias  = "eu_north_1"
  region = "eu-north-1"
}

provider "aws" {
  alias  = "af_south_1"
  region = "af-south-1"
}

provider "aws" {
  alias  = "ap_south_1"
  region = "ap-south-1"
}

provider "aws" {
  alias  = "ap_southeast_1"
  region = "ap-southeast-1"
}

provider "aws" {
  alias  = "ap_southeast_2"
  region = "ap-southeast-2"
}

provider "aws" {
  alias  = "ap_northeast_1"
  region = "ap-northeast-1"
}

module "aws_us_east_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.us_east_1 }

  aws_region          = "us-east-1"
  relays              = 2
  zones               = ["us-east-1a", "us-east-1b"]
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_us_west_2" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.us_west_2 }

  aws_region          = "us-west-2"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_ca_central_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.ca_central_1 }

  aws_region          = "ca-central-1"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_sa_east_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.sa_east_1 }

  aws_region          = "sa-east-1"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_eu_west_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.eu_west_1 }

  aws_region          = "eu-west-1"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_eu_central_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.eu_central_1 }

  aws_region          = "eu-central-1"
  relays              = 2
  zones               = ["eu-central-1a", "eu-central-1b"]
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_eu_north_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.eu_north_1 }

  aws_region          = "eu-north-1"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_af_south_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.af_south_1 }

  aws_region          = "af-south-1"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_ap_south_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.ap_south_1 }

  aws_region          = "ap-south-1"
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
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_ap_southeast_2" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.ap_southeast_2 }

  aws_region          = "ap-southeast-2"
  relays              = 1
  coordinator_url     = var.coordinator_url
  release             = var.release
  relay_token         = var.relay_token
  relay_token_version = var.relay_token_version
  monitoring_cidrs    = var.monitoring_cidrs
  ssh_cidrs           = var.ssh_cidrs
  ssh_authorized_keys = var.ssh_authorized_keys
}

module "aws_ap_northeast_1" {
  source    = "../../modules/aws-relay"
  providers = { aws = aws.ap_northeast_1 }

  aws_region          = "ap-northeast-1"
  relays              = 1
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
    aws_us_east_1      = module.aws_us_east_1.monitoring
    aws_us_west_2      = module.aws_us_west_2.monitoring
    aws_ca_central_1   = module.aws_ca_central_1.monitoring
    aws_sa_east_1      = module.aws_sa_east_1.monitoring
    aws_eu_west_1      = module.aws_eu_west_1.monitoring
    aws_eu_central_1   = module.aws_eu_central_1.monitoring
    aws_eu_north_1     = module.aws_eu_north_1.monitoring
    aws_af_south_1     = module.aws_af_south_1.monitoring
    aws_ap_south_1     = module.aws_ap_south_1.monitoring
    aws_ap_southeast_1 = module.aws_ap_southeast_1.monitoring
    aws_ap_southeast_2 = module.aws_ap_southeast_2.monitoring
    aws_ap_northeast_1 = module.aws_ap_northeast_1.monitoring
  }
}
