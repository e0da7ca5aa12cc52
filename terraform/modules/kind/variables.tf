variable "name" {
  description = "The cluster's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$", var.name))
    error_message = <<-EOT
      name must be 1 to 42 lower-case letters, digits and hyphens, without a hyphen at an end.
    EOT
  }
}

variable "node_image" {
  description = "The nodes' image. It determines the version of Kubernetes."
  type        = string
  nullable    = false
}

variable "workers" {
  description = <<-EOT
    The number of nodes in addition to the control plane. With 0, the control plane runs everything.
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
    The path of the kubeconfig file, which is written when the cluster is created.
  EOT
  type        = string
  nullable    = false
}

variable "ports" {
  description = <<-EOT
    Ports of the control plane's node, mapped to the ports on this machine's loopback that are
    forwarded to them.
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
    Images to copy from this machine's Docker to the nodes, which then need no registry for them.
  EOT
  type        = set(string)
  default     = []
  nullable    = false
}
