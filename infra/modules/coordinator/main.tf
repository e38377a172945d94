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

  install_script = templatefile("${path.module}/../relay/install.sh.tftpl", {
    packages = var.release
    needs    = ["ca-certificates", "curl", "python3"]
  })

  proxy_files = var.domain == null ? [] : [
    { path = "/usr/local/sbin/burrow-install-proxy", permissions = "0755", content = file("${path.module}/install-proxy.sh") },
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

  first_boot_files = [
    {
      path        = "/etc/systemd/system/burrow-first-boot.service"
      permissions = "0644"
      content     = file("${path.module}/../relay/burrow-first-boot.service")
    },
    {
      path        = "/usr/local/sbin/burrow-first-boot"
      permissions = "0755"
      content = templatefile("${path.module}/../relay/first-boot.sh.tftpl", {
        steps = concat(
          var.state_device == null ? [] : ["/usr/local/sbin/burrow-mount-state"],
          ["/usr/local/sbin/burrow-install"],
          var.geoip == null ? [] : ["/usr/local/sbin/burrow-fetch-geoip"],
          ["systemctl enable --now burrow-coordinator.service"],
          var.forget_days == null ? [] : ["systemctl enable --now burrow-forget.timer"],
          var.domain == null ? [] : ["/usr/local/sbin/burrow-install-proxy"],
        )
      })
    },
  ]

  cloud_config = merge(
    {
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
        local.first_boot_files,
        var.forget_days == null ? [] : [
          { path = "/etc/burrow/forget.env", permissions = "0644", content = "BURROW_FORGET_DAYS=${var.forget_days}\n" },
        ],
      )
      # Only begun here: what fails is repeated by the unit, which cloud-init would not do.
      runcmd = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "--no-block", "burrow-first-boot.service"]]
    },
    length(var.ssh_authorized_keys) == 0 ? {} : { ssh_authorized_keys = var.ssh_authorized_keys },
  )
}
