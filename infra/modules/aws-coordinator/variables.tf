variable "name" {
  description = "Prefix of all names."
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

variable "release" {
  description = "The Debian packages made by `bun run build`, by architecture: where they can be downloaded, and their SHA-256."
  type = map(object({
    url    = string
    sha256 = string
  }))
  nullable = false

  validation {
    condition     = length(var.release) > 0 && alltrue([for arch in keys(var.release) : contains(["amd64", "arm64"], arch)])
    error_message = "release needs amd64, arm64 or both, and nothing else."
  }

  validation {
    condition     = alltrue([for package in values(var.release) : can(regex("^https?://[^[:space:]'\"]+$", package.url))])
    error_message = "Each release.url must be an http or https URL of a .deb."
  }

  validation {
    condition     = alltrue([for package in values(var.release) : can(regex("^[0-9a-f]{64}$", package.sha256))])
    error_message = "Each release.sha256 must be the 64 hex digits that SHA256SUMS has for the package."
  }
}

variable "domain" {
  description = "Name under which agents and relays reach it; a TLS proxy with a certificate of its own making stands before it then. Null: plain HTTP on http_port, for private networks alone."
  type        = string
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain must be a host name such as burrow.example.net, in small letters."
  }
}

variable "dns_zone_id" {
  description = "Route 53 zone in which `domain` is made; null: its records are made elsewhere, from the output `addresses`."
  type        = string
  default     = null

  validation {
    condition     = var.dns_zone_id == null || can(regex("^Z[A-Z0-9]+$", var.dns_zone_id))
    error_message = "dns_zone_id must be the id of a hosted zone, like Z0123456789ABC."
  }
}

variable "geoip" {
  description = "A GeoIP city database (.mmdb) to download, and its SHA-256; null: more relays are probed instead."
  type = object({
    url    = string
    sha256 = string
  })
  default = null

  validation {
    condition     = var.geoip == null || try(can(regex("^https?://[^[:space:]'\"]+$", var.geoip.url)) && can(regex("^[0-9a-f]{64}$", var.geoip.sha256)), false)
    error_message = "geoip.url must be an http or https URL, geoip.sha256 64 hex digits."
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
  description = "IPv4 range of the coordinator's network."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false
}

variable "zone" {
  description = "Availability zone of the machine and of the disk that keeps its state, such as eu-central-1a."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^${var.aws_region}[a-z]$", var.zone))
    error_message = "zone must be a zone of aws_region, like eu-central-1a."
  }
}

variable "disk_gb" {
  description = "Size of the disk that keeps its state."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.disk_gb == floor(var.disk_gb) && var.disk_gb >= 1 && var.disk_gb <= 1024
    error_message = "disk_gb must be a whole number from 1 to 1024."
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
  description = "Public keys that may log in as user admin: operators make tokens on this machine."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "settings" {
  description = "Further settings of the coordinator, BURROW_… variables, such as { BURROW_LOG_LEVEL = \"debug\" }."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for name, value in var.settings :
      can(regex("^BURROW_[A-Z0-9_]+$", name)) && can(regex("^[^\n\"'\\\\$]*$", value))
    ])
    error_message = "settings must be named BURROW_…; their values may not hold line breaks, quotes, backslashes or dollar signs."
  }
}
