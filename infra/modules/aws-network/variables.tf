variable "name" {
  description = "Name of everything in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9]([a-zA-Z0-9-]{0,38}[a-zA-Z0-9])?$", var.name))
    error_message = "name must have 1 to 40 letters, digits and hyphens."
  }
}

variable "cidr" {
  description = "IPv4 range of the network; machines in it also have public addresses."
  type        = string
  default     = "10.21.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 24, false)
    error_message = "cidr must be an IPv4 range between /16 and /24, like 10.21.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones to spread over, such as [\"eu-central-1a\", \"eu-central-1b\"]. Empty: one subnet, in a zone that AWS picks."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.zones) <= 8 && length(distinct(var.zones)) == length(var.zones) && alltrue([for zone in var.zones : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$", zone))])
    error_message = "zones must be at most 8 different names like eu-central-1a."
  }
}
