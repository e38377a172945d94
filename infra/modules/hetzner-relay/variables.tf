variable "name" {
  description = "Prefix of all names; the location is added, so that one project holds all of them."
  type        = string
  default     = "burrow"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9]([a-zA-Z0-9-]{0,14}[a-zA-Z0-9])?$", var.name))
    error_message = "name must have 1 to 16 letters, digits and hyphens."
  }
}

variable "location" {
  description = "Hetzner's name of the place, such as fsn1."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{3}[0-9]?$", var.location))
    error_message = "location must be like fsn1 or ash."
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
  description = "Relay enrolment token. This cloud keeps no secrets for machines: it stands in the user data, and so in the state; give it few uses and a short life."
  type        = string
  sensitive   = true
  nullable    = false

  validation {
    condition     = can(regex("^burrow_[A-Za-z0-9_-]+$", var.relay_token))
    error_message = "relay_token must be what `burrow token create --for relay` printed: burrow_ and letters, digits, - and _."
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

variable "server_type" {
  description = "Hetzner's name of the kind of machine; ARM (cax…) by default, which fsn1, nbg1 and hel1 have. Elsewhere take cpx11."
  type        = string
  default     = "cax11"
  nullable    = false
}

variable "image" {
  description = "Machine image."
  type        = string
  default     = "debian-12"
  nullable    = false
}

variable "ssh_keys" {
  description = "Names or ids of SSH keys in the project; without one Hetzner mails a root password."
  type        = list(string)
  default     = []
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

variable "dns_zone" {
  description = "Name of a DNS zone in the project, in which each relay gets a name; null: none."
  type        = string
  default     = null
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
