variable "name" {
  description = "Prefix of all names; the region is added, so that one project holds all of them."
  type        = string
  default     = "burrow"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$", var.name))
    error_message = "name must have 1 to 16 small letters, digits and hyphens."
  }
}

variable "gcp_region" {
  description = "Google Cloud's name of the place, such as europe-west3."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+[0-9]+$", var.gcp_region))
    error_message = "gcp_region must be like europe-west3."
  }
}

variable "zones" {
  description = "Zones of the region to spread over, such as [\"europe-west3-a\"]; empty: those that Google picks."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^${var.gcp_region}-[a-z]$", zone))])
    error_message = "zones must be zones of gcp_region, like europe-west3-a."
  }
}

variable "region" {
  description = "What the mesh calls this place; the cloud's own name of it if null."
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
  description = "Relay enrolment token, with enough uses for all machines that will come. Goes to Secret Manager and is never in the state or a plan."
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

variable "machine_type" {
  description = "Kind of machine; ARM by default. Where a region has no t2a, take c4a-standard-1 or, with architecture amd64, e2-small."
  type        = string
  default     = "t2a-standard-1"
  nullable    = false
}

variable "architecture" {
  description = "arm64 or amd64; machine_type must fit."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "architecture must be arm64 or amd64."
  }
}

variable "cidr" {
  description = "IPv4 range of the region's network."
  type        = string
  default     = "10.22.0.0/20"
  nullable    = false
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
  description = "Public keys that may log in as the default user of the image."
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
