variable "create_cluster" {
  description = "Whether to make a kind cluster; else `kubeconfig` names one that is there."
  type        = bool
  default     = true
  nullable    = false
}

variable "kubeconfig" {
  description = <<-EOT
    The file that tells kubectl how to reach the cluster. For a new cluster it is written, by
    default as `kubeconfig` in the folder of the root module; for another one it has to be there.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.create_cluster || try(fileexists(pathexpand(var.kubeconfig)), false)
    error_message = "With create_cluster = false, kubeconfig must name a file that is there."
  }
}

variable "kubeconfig_context" {
  description = "The context in `kubeconfig` of a cluster that is there; null is its current one."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "The name of the new cluster."
  type        = string
  default     = "orders"
  nullable    = false
}

variable "node_image" {
  description = "The image of the new cluster's nodes, which decides the version of Kubernetes."
  type        = string
  default     = "kindest/node:v1.34.0"
  nullable    = false
}

variable "workers" {
  description = "How many nodes the new cluster has besides its control plane."
  type        = number
  default     = 0
  nullable    = false
}

variable "load_images" {
  description = <<-EOT
    Images to copy from this machine's Docker into the new cluster; null is the image of the service
    alone. Every other image is pulled from its registry by the nodes.
  EOT
  type        = set(string)
  default     = null
}

variable "service_port" {
  description = <<-EOT
    The port of this machine, on loopback, that leads to the Service in the new cluster.
  EOT
  type        = number
  default     = 8080
  nullable    = false
}

variable "http_port" {
  description = "The port of this machine, on loopback, that leads to port 80 of the new cluster."
  type        = number
  default     = 80
  nullable    = false
}

variable "https_port" {
  description = "The port of this machine, on loopback, that leads to port 443 of the new cluster."
  type        = number
  default     = 443
  nullable    = false
}

variable "kustomization" {
  description = <<-EOT
    The folder of the kustomization to apply; null is `k8s/overlays/kind` of this repository.
  EOT
  type        = string
  default     = null

  validation {
    condition = (
      var.kustomization == null || try(fileexists("${var.kustomization}/kustomization.yaml"), false)
    )
    error_message = "kustomization must name a folder with a kustomization.yaml."
  }
}

variable "namespace" {
  description = "The namespace that everything is put into; it is made, and removed by destroy."
  type        = string
  default     = "orders"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = <<-EOT
      namespace must be 1 to 63 small letters, digits and hyphens, and end in neither hyphen.
    EOT
  }
}

variable "image" {
  description = "The image of the service, without its tag."
  type        = string
  default     = "orders"
  nullable    = false

  validation {
    condition = (
      can(regex("^[a-z0-9]+([._:/-]+[a-z0-9]+)*$", var.image)) && !can(regex(":[^/]*$", var.image))
    )
    error_message = <<-EOT
      image must name an image without a tag, such as "ghcr.io/example/orders"; image_tag says
      which.
    EOT
  }
}

variable "image_tag" {
  description = "The tag of the image, or its digest: `sha256:...`."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition = can(
      regex("^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|sha256:[0-9a-f]{64})$", var.image_tag)
    )
    error_message = <<-EOT
      image_tag must be a tag of at most 128 letters, digits, dots, hyphens and underscores, or
      sha256: and 64 hexadecimal digits.
    EOT
  }
}

variable "registry_credentials" {
  description = "The log-in to the registry of an image that is not public."
  type = object({
    server   = string
    username = string
    password = string
  })
  default   = null
  sensitive = true
}

variable "replicas" {
  description = "How many pods serve; where there is an autoscaler, at least."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.replicas >= 1 && floor(var.replicas) == var.replicas
    error_message = "replicas must be a whole number, 1 or more."
  }
}

variable "hostname" {
  description = "The name under which the Ingress takes requests, and of its certificate."
  type        = string
  default     = "orders.local"
  nullable    = false

  validation {
    condition = length(var.hostname) <= 64 && alltrue([
      for label in split(".", var.hostname) :
      can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", label))
    ])
    error_message = "hostname must be a DNS name in small letters, of at most 64 characters."
  }
}

variable "ingress_class" {
  description = "The class of the Ingress; null is that of `ingress_controller`, or the default."
  type        = string
  default     = null
}

variable "ingress_controller" {
  description = <<-EOT
    The ingress controller to install: `traefik`, on the ports 80 and 443 of the control plane's
    node, or `none`.
  EOT
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = contains(["none", "traefik"], var.ingress_controller)
    error_message = "ingress_controller must be \"none\" or \"traefik\"."
  }
}

variable "certificate_authorities" {
  description = <<-EOT
    The names of the authorities. All are trusted, and the first one signs: see "Another authority".
  EOT
  type        = list(string)
  default     = ["1"]
  nullable    = false
}

variable "certificate_validity_hours" {
  description = "How long a certificate is valid."
  type        = number
  default     = 2160 # 90 days
  nullable    = false
}

variable "certificate_early_renewal_hours" {
  description = <<-EOT
    How long before its end a certificate is renewed, by whoever applies then: nothing else renews
    it.
  EOT
  type        = number
  default     = 720 # 30 days
  nullable    = false
}

variable "ca_validity_hours" {
  description = "How long the authority's own certificate is valid."
  type        = number
  default     = 87600 # 10 years
  nullable    = false
}

variable "ca_early_renewal_hours" {
  description = "How long before its end the authority is renewed, and everything that it signed."
  type        = number
  default     = 8760 # a year
  nullable    = false
}

variable "database_ca_certificate" {
  description = <<-EOT
    The authority of a database elsewhere, as PEM; null is the authority that is made here.
  EOT
  type        = string
  default     = null
}

variable "revocation_list" {
  description = "The list of revoked certificates (CRL) that the database heeds, as PEM."
  type        = string
  default     = null

  validation {
    condition = (
      var.revocation_list == null
      || try(startswith(var.revocation_list, "-----BEGIN X509 CRL-----"), false)
    )
    error_message = "revocation_list must be a CRL as PEM: it begins with -----BEGIN X509 CRL-----."
  }
}

variable "tokens" {
  description = <<-EOT
    The file of the hashes of clients' tokens, for a kustomization with `components/tokens`.
  EOT
  type        = string
  default     = null
}

variable "rollout_timeout" {
  description = "How long the database, the migration and the service each may take to be ready."
  type        = string
  default     = "5m"
  nullable    = false
}
