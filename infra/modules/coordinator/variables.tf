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

variable "http_port" {
  description = "TCP port of the coordinator itself: on loopback where there is a domain, else on all addresses."
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.http_port == floor(var.http_port) && var.http_port >= 1024 && var.http_port <= 65535
    error_message = "http_port must be a whole number from 1024 to 65535: the coordinator has no right to lower ones."
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

variable "state_device" {
  description = "Block device that keeps /var/lib/burrow when the machine is replaced, by a name that stays (/dev/disk/by-id/…); formatted only if it is blank. Null: the state is on the machine's own disk."
  type        = string
  default     = null

  validation {
    condition     = var.state_device == null || can(regex("^/dev/disk/by-(id|uuid|label|path)/[a-zA-Z0-9_.:-]+$", var.state_device))
    error_message = "state_device must be a path below /dev/disk/by-id, by-uuid, by-label or by-path: /dev/nvme1n1 may be another disk after the next start."
  }
}

variable "store" {
  description = "Where it keeps what it knows. sqlite: one file on one machine. A store that several coordinators share comes with clusters."
  type        = string
  default     = "sqlite"
  nullable    = false

  validation {
    condition     = var.store == "sqlite"
    error_message = "store must be sqlite: coordinators on more than one machine are not there yet."
  }
}

variable "forget_days" {
  description = "Relays that have been down for so many days are forgotten; one that comes back later needs a token again. Null: none is."
  type        = number
  default     = 7

  validation {
    condition     = var.forget_days == null || try(var.forget_days >= 1, false)
    error_message = "forget_days must be at least 1, or null."
  }
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

variable "ssh_authorized_keys" {
  description = "Public keys that may log in as the image's default user: operators make tokens on this machine."
  type        = list(string)
  default     = []
  nullable    = false
}
