# Renders the cloud-init of one coordinator. Makes no resource: any cloud that takes user data can run it.

locals {
  url = var.domain == null ? null : "https://${var.domain}"

  settings = merge(
    {
      BURROW_LISTEN = "${var.domain == null ? "[::]" : "127.0.0.1"}:${var.http_port}"
      BURROW_STORE  = var.store
    },
    var.domain == null ? {} : { BURROW_TRUST_PROXY = "1" },
    var.geoip == null ? {} : { BURROW_GEOIP = "/usr/local/share/burrow/geoip.mmdb" },
    var.settings,
  )

  install_script = templatefile("${path.module}/../relay/install.sh.tftpl", { packages = var.release })

  proxy_files = var.domain == null ? [] : [
    {
      path        = "/etc/caddy/Caddyfile"
      permissions = "0644"
      content     = templatefile("${path.module}/Caddyfile.tftpl", { domain = var.domain, http_port = var.http_port })
    },
  ]
  geoip_files = var.geoip == null ? [] : [
    {
      path        = "/usr/local/sbin/burrow-fetch-geoip"
      permissions = "0755"
      content     = templatefile("${path.module}/fetch-geoip.sh.tftpl", { url = var.geoip.url, sha256 = var.geoip.sha256 })
    },
  ]

  disk_files = var.state_device == null ? [] : [
    {
      path        = "/usr/local/sbin/burrow-mount-state"
      permissions = "0755"
      content     = templatefile("${path.module}/mount-state.sh.tftpl", { device = var.state_device })
    },
  ]

  cloud_config = merge(
    {
      package_update = true
      packages       = ["ca-certificates", "curl", "python3"]
      write_files = concat(
        [
          {
            path        = "/etc/burrow/coordinator.env"
            permissions = "0644"
            content     = join("", [for name, value in local.settings : "${name}=${value}\n"])
          },
          { path = "/usr/local/sbin/burrow-install", permissions = "0755", content = local.install_script },
        ],
        local.proxy_files,
        local.geoip_files,
        local.disk_files,
        var.forget_days == null ? [] : [
          { path = "/etc/burrow/forget.env", permissions = "0644", content = "BURROW_FORGET_DAYS=${var.forget_days}\n" },
        ],
      )
      runcmd = concat(
        var.state_device == null ? [] : [["/usr/local/sbin/burrow-mount-state"]],
        [["/usr/local/sbin/burrow-install"]],
        var.geoip == null ? [] : [["/usr/local/sbin/burrow-fetch-geoip"]],
        [["systemctl", "enable", "--now", "burrow-coordinator.service"]],
        var.forget_days == null ? [] : [["systemctl", "enable", "--now", "burrow-forget.timer"]],
        # The proxy's package must not ask about the file that is there before it.
        var.domain == null ? [] : [[
          "apt-get", "install", "--yes", "--quiet", "--no-install-recommends",
          "--option", "Dpkg::Options::=--force-confold", "caddy",
        ]],
      )
    },
    length(var.ssh_authorized_keys) == 0 ? {} : { ssh_authorized_keys = var.ssh_authorized_keys },
  )
}
