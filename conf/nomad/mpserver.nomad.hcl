# A site on Nomad (docs/kubernetes.md has the same for Kubernetes): nomad job run mpserver.nomad.hcl
#
# The image is your own: a Python, mpserver, and the site below /srv/site.

job "site" {
  datacenters = ["*"]
  type        = "service"

  # One server after the other, each once the one before is ready.
  update {
    max_parallel     = 1
    canary           = 0
    health_check     = "checks"
    min_healthy_time = "5s"
    healthy_deadline = "2m"
    auto_revert      = true
  }

  group "site" {
    count = 2

    network {
      port "http" {}
      port "management" {}
    }

    service {
      name     = "site"
      port     = "http"
      provider = "nomad"

      # The master answers, also when every worker is busy.
      check {
        name     = "ready"
        type     = "http"
        port     = "management"
        path     = "/readyz"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "mpserver" {
      driver = "docker"

      # ShutdownDelay and GracefulShutdownTimeout together, and some 10 seconds.
      kill_signal  = "SIGTERM"
      kill_timeout = "45s"
      # SIGTERM comes when those who look for services have heard that this one goes.
      shutdown_delay = "5s"

      config {
        image   = "registry.example.org/site:1"
        command = "mpserver"
        args    = ["-D", "FOREGROUND", "-f", "/local/httpd.conf"]
        ports   = ["http", "management"]
      }

      template {
        destination = "local/httpd.conf"
        # A new configuration needs no new server.
        change_mode = "signal"
        change_signal = "SIGUSR1"
        data        = <<-EOF
          ServerRoot /srv/site
          ServerName site
          Listen {{ env "NOMAD_PORT_http" }}
          ManagementListen 0.0.0.0:{{ env "NOMAD_PORT_management" }}
          PidFile /local/mpserver.pid
          ErrorLog /dev/stderr
          CustomLog /dev/stdout json
          ShutdownDelay 5
          GracefulShutdownTimeout 30
          DocumentRoot /srv/site/www
          <Directory /srv/site/www>
              Require all granted
              SetHandler mod_python
              PythonHandler mod_python.publisher
          </Directory>
        EOF
      }

      resources {
        cpu    = 500
        memory = 512
      }
    }
  }
}
