variable "name" {
  description = "Prefix of all names; the region is added, so that one account holds all of them."
  type        = string
  default     = "burrow"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9]([a-zA-Z0-9-]{0,14}[a-zA-Z0-9])?$", var.name))
    error_message = "name must have 1 to 16 letters, digits and hyphens."
  }
}

variable "aws_region" {
  description = "The region of the provider that is passed to this module, such as eu-central-1."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region must be like eu-central-1."
  }
}

variable "region" {
  description = "What the mesh calls this place; the AWS region's name if null."
  type        = string
  default     = null
}

variable "place" {
  description = "Where it is, in degrees, if the table of the relay module does not know."
  type = object({
    latitude  = number
    longitude = number
  })
  default = null
}

variable "coordinator_url" {
  description = "Where the coordinator is, as relays reach it."
  type        = string
  nullable    = false
}

variable "release" {
  description = "The Debian packages made by `bun run build`, by architecture."
  type = map(object({
    url    = string
    sha256 = string
  }))
  nullable = false
}

variable "relay_token" {
  description = "Relay enrolment token, with enough uses for all machines that will come. Goes to the region's parameter store and is never in the state or a plan."
  type        = string
  ephemeral   = true
  sensitive   = true
  nullable    = false

  validation {
    condition     = can(regex("^burrow_[A-Za-z0-9_-]+$", var.relay_token))
    error_message = "relay_token must be what `burrow token create --for relay` printed: burrow_ and letters, digits, - and _."
  }
}

variable "relay_token_version" {
  description = "Count it up whenever relay_token is another one: Terraform keeps no copy and cannot compare."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.relay_token_version == floor(var.relay_token_version) && var.relay_token_version >= 1
    error_message = "relay_token_version must be a whole number from 1."
  }
}

variable "relays" {
  description = "How many machines."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.relays == floor(var.relays) && var.relays >= 0 && var.relays <= 100
    error_message = "relays must be a whole number from 0 to 100."
  }
}

variable "architecture" {
  description = "arm64 or amd64; instance_type must fit."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "architecture must be arm64 or amd64."
  }
}

variable "instance_type" {
  description = "EC2 instance type; t4g.small or t3.small if null, by the architecture."
  type        = string
  default     = null
}

variable "image_parameter" {
  description = "Public parameter that names the machine image (Debian 12); looked up by AWS when a machine is launched, not by Terraform."
  type        = string
  default     = null

  validation {
    condition     = var.image_parameter == null || can(regex("^/", var.image_parameter))
    error_message = "image_parameter must be the path of a parameter, like /aws/service/debian/release/12/latest/arm64."
  }
}

variable "cidr" {
  description = "IPv4 range of the region's network."
  type        = string
  default     = "10.21.0.0/16"
  nullable    = false
}

variable "zones" {
  description = "Availability zones to spread over; empty: one that AWS picks, which may be one without the instance type."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^${var.aws_region}[a-z]$", zone))])
    error_message = "zones must be zones of aws_region, like eu-central-1a."
  }
}

variable "udp_port" {
  description = "The relay's UDP port."
  type        = number
  default     = 21820
  nullable    = false
}

variable "further_udp_ports" {
  description = "UDP ports on which the relays listen as well, for networks that let only certain ones pass; empty: none."
  type        = list(number)
  default     = [443, 53]
  nullable    = false
}

variable "health_port" {
  description = "TCP port of /healthz, /readyz and /metrics."
  type        = number
  default     = 8090
  nullable    = false
}

variable "monitoring_cidrs" {
  description = "From where health and metrics may be read, IPv4 and IPv6 ranges; empty: from nowhere."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.monitoring_cidrs : can(cidrhost(cidr, 0))])
    error_message = "monitoring_cidrs must be ranges like 192.0.2.0/24 or 2001:db8::/48."
  }
}

variable "ssh_cidrs" {
  description = "From where SSH is let in; empty: from nowhere."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.ssh_cidrs : can(cidrhost(cidr, 0))])
    error_message = "ssh_cidrs must be ranges like 192.0.2.0/24 or 2001:db8::/48."
  }
}

variable "ssh_authorized_keys" {
  description = "Public keys that may log in as user admin."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "settings" {
  description = "Further settings of the relays, BURROW_… variables."
  type        = map(string)
  default     = {}
  nullable    = false
}
