variable "name" {
  description = "The name of the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$", var.name))
    error_message = <<-EOT
      name must be 1 to 42 small letters, digits and hyphens, and end in neither hyphen.
    EOT
  }
}

variable "node_image" {
  description = "The image of the nodes, which decides the version of Kubernetes."
  type        = string
  nullable    = false
}

variable "workers" {
  description = <<-EOT
    How many nodes there are besides the control plane; with none, everything runs there.
  EOT
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.workers >= 0 && floor(var.workers) == var.workers
    error_message = "workers must be a whole number, 0 or more."
  }
}

variable "kubeconfig_path" {
  description = <<-EOT
    The file that tells kubectl how to reach the cluster; it is written when the cluster is made.
  EOT
  type        = string
  nullable    = false
}

variable "ports" {
  description = <<-EOT
    Ports of the control plane's node, and the ports of this machine, on loopback, that lead
    there.
  EOT
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for port in concat(keys(var.ports), values(var.ports)) :
      try(tonumber(port) >= 1 && tonumber(port) <= 65535, false)
    ])
    error_message = "ports must map ports to ports: whole numbers from 1 to 65535."
  }
}

variable "images" {
  description = <<-EOT
    Images of this machine's Docker to copy into the nodes, which then need no registry for them.
  EOT
  type        = set(string)
  default     = []
  nullable    = false
}
