variable "coordinator_url" {
  description = "Where the coordinator is, as relays reach it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://[^/?#@[:space:]]+(/[^?#[:space:]]*)?$", var.coordinator_url))
    error_message = "coordinator_url must be like https://burrow.example.net: scheme and host, without user, query or fragment."
  }
}

variable "region" {
  description = "What the mesh calls this place; agents and operators see it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", var.region))
    error_message = "region must have 1 to 32 small letters, digits and hyphens, like eu-central."
  }
}

variable "cloud" {
  description = "Whose machine it is: decides how it finds its public addresses, and the table its place is looked up in."
  type        = string
  default     = "other"
  nullable    = false

  validation {
    condition     = contains(["aws", "gcp", "hetzner", "digitalocean", "other"], var.cloud)
    error_message = "cloud must be aws, gcp, hetzner, digitalocean or other."
  }
}

variable "cloud_region" {
  description = "The cloud's own name of the place, such as eu-central-1 or fsn1; a key of places.json."
  type        = string
  default     = null
}

variable "place" {
  description = "Where the relay stands, in degrees. Needed where places.json does not know cloud_region."
  type = object({
    latitude  = number
    longitude = number
  })
  default = null

  validation {
    condition     = var.place == null || try(abs(var.place.latitude) <= 90 && abs(var.place.longitude) <= 180, false)
    error_message = "place.latitude goes from -90 to 90, place.longitude from -180 to 180."
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

variable "token" {
  description = "Relay enrolment token, in the clear in the machine's user data: give token_command where the cloud keeps secrets."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.token == null || can(regex("^burrow_[A-Za-z0-9_-]+$", var.token))
    error_message = "token must be what `burrow token create --for relay` printed: burrow_ and letters, digits, - and _."
  }
}

variable "token_command" {
  description = "Shell command that prints the token on the machine, say by asking the cloud's secret store."
  type        = string
  default     = null
}

variable "ready_command" {
  description = "Shell command that is run on the machine once its relay has registered, say to tell an instance group; tried again until it succeeds."
  type        = string
  default     = null
}

variable "packages" {
  description = "Further Debian packages, such as what token_command and ready_command need."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for package in var.packages : can(regex("^[a-z0-9][a-z0-9.+-]+$", package))])
    error_message = "packages must be names of Debian packages."
  }
}

variable "udp_port" {
  description = "The relay's UDP port."
  type        = number
  default     = 21820
  nullable    = false

  validation {
    condition     = var.udp_port == floor(var.udp_port) && var.udp_port >= 1 && var.udp_port <= 65535
    error_message = "udp_port must be a whole number from 1 to 65535."
  }
}

variable "further_udp_ports" {
  description = "UDP ports on which the relay listens as well, for networks that let only certain ones pass: those of HTTP/3 and DNS. For 53 the machine's own DNS stub is switched off."
  type        = list(number)
  default     = [443, 53]
  nullable    = false

  validation {
    condition     = length(var.further_udp_ports) <= 3 && length(distinct(var.further_udp_ports)) == length(var.further_udp_ports) && alltrue([for port in var.further_udp_ports : port == floor(port) && port >= 1 && port <= 65535])
    error_message = "further_udp_ports must be at most 3 different whole numbers from 1 to 65535."
  }

  validation {
    condition     = !contains(var.further_udp_ports, var.udp_port)
    error_message = "further_udp_ports must not name udp_port again."
  }
}

variable "websocket" {
  description = "Take agents in by WebSocket on TLS, TCP port 443, where their networks block UDP."
  type        = bool
  default     = true
  nullable    = false
}

variable "health_port" {
  description = "TCP port of /healthz, /readyz and /metrics."
  type        = number
  default     = 8090
  nullable    = false

  validation {
    condition     = var.health_port == floor(var.health_port) && var.health_port >= 1 && var.health_port <= 65535 && var.health_port != 443
    error_message = "health_port must be a whole number from 1 to 65535, and not 443, which is for agents."
  }
}

variable "health_public" {
  description = "Answer health checks on all addresses (behind a firewall) and not on loopback alone."
  type        = bool
  default     = false
  nullable    = false
}

variable "heal" {
  description = "What a machine does whose relay stays dead through five minutes of restarts: restart, reboot or poweroff (an instance group then replaces it)."
  type        = string
  default     = "reboot"
  nullable    = false

  validation {
    condition     = contains(["restart", "reboot", "poweroff"], var.heal)
    error_message = "heal must be restart, reboot or poweroff."
  }
}

variable "drain_seconds" {
  description = "How long a stop waits for agents to bind elsewhere."
  type        = number
  default     = 75
  nullable    = false

  validation {
    condition     = var.drain_seconds == floor(var.drain_seconds) && var.drain_seconds >= 0 && var.drain_seconds <= 100
    error_message = "drain_seconds must be a whole number from 0 to 100: the service manager ends a stop after 120 s."
  }
}

variable "settings" {
  description = "Further settings of the relay, BURROW_… variables, such as { BURROW_LOG_LEVEL = \"debug\" }."
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

  validation {
    condition     = length(setintersection(keys(var.settings), ["BURROW_TOKEN", "BURROW_TOKEN_FILE"])) == 0
    error_message = "The token is not a setting: give token or token_command, which keep it from other users of the machine."
  }

  validation {
    condition     = length(setintersection(keys(var.settings), ["BURROW_LISTEN", "BURROW_FURTHER_PORTS", "BURROW_HTTP", "BURROW_WSS"])) == 0
    error_message = "Ports are not settings, since the firewall follows them: give udp_port, further_udp_ports, health_port and websocket."
  }
}

variable "ssh_authorized_keys" {
  description = "Public keys that may log in as the image's default user."
  type        = list(string)
  default     = []
  nullable    = false
}
