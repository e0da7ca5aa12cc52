variable "create_cluster" {
  description = "Whether to create a kind cluster. Otherwise `kubeconfig` names an existing one."
  type        = bool
  default     = true
  nullable    = false
}

variable "kubeconfig" {
  description = <<-EOT
    The path of the kubeconfig file. For a new cluster it is written, by default to `kubeconfig` in
    the root module's folder. For an existing cluster it must exist.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.create_cluster || try(fileexists(pathexpand(var.kubeconfig)), false)
    error_message = "With create_cluster = false, kubeconfig must name an existing file."
  }
}

variable "kubeconfig_context" {
  description = "The existing cluster's context in `kubeconfig`; null means the current context."
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
  description = "The image of the new cluster's nodes. It determines the version of Kubernetes."
  type        = string
  default     = "kindest/node:v1.34.0"
  nullable    = false
}

variable "workers" {
  description = "The number of nodes in the new cluster, in addition to the control plane."
  type        = number
  default     = 0
  nullable    = false
}

variable "load_images" {
  description = <<-EOT
    Images to copy from this machine's Docker to the new cluster; null means only the service's
    image. The nodes pull all other images from their registries.
  EOT
  type        = set(string)
  default     = null
}

variable "service_port" {
  description = <<-EOT
    The port on this machine's loopback that is forwarded to the Service in the new cluster.
  EOT
  type        = number
  default     = 8080
  nullable    = false
}

variable "http_port" {
  description = "The port on this machine's loopback that is forwarded to the cluster's port 80."
  type        = number
  default     = 80
  nullable    = false
}

variable "https_port" {
  description = "The port on this machine's loopback that is forwarded to the cluster's port 443."
  type        = number
  default     = 443
  nullable    = false
}

variable "kustomization" {
  description = <<-EOT
    The folder of the kustomization to apply; null means `k8s/overlays/kind` in this repository.
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
  description = "The namespace for all objects. Apply creates it, and destroy removes it."
  type        = string
  default     = "orders"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = <<-EOT
      namespace must be 1 to 63 lower-case letters, digits and hyphens, without a hyphen at an end.
    EOT
  }
}

variable "image" {
  description = "The service's image, without a tag."
  type        = string
  default     = "orders"
  nullable    = false

  validation {
    condition = (
      can(regex("^[a-z0-9]+([._:/-]+[a-z0-9]+)*$", var.image)) && !can(regex(":[^/]*$", var.image))
    )
    error_message = <<-EOT
      image must name an image without a tag, such as "ghcr.io/example/orders". Set the tag in
      image_tag.
    EOT
  }
}

variable "image_tag" {
  description = "The image's tag, or its digest as `sha256:...`."
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
  description = "The credentials for the registry of a private image."
  type = object({
    server   = string
    username = string
    password = string
  })
  default   = null
  sensitive = true
}

variable "replicas" {
  description = "The number of pods that serve; with an autoscaler, the minimum."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.replicas >= 1 && floor(var.replicas) == var.replicas
    error_message = "replicas must be a whole number, 1 or more."
  }
}

variable "hostname" {
  description = "The host name of the Ingress and of its certificate."
  type        = string
  default     = "orders.local"
  nullable    = false

  validation {
    condition = length(var.hostname) <= 64 && alltrue([
      for label in split(".", var.hostname) :
      can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", label))
    ])
    error_message = "hostname must be a lower-case DNS name of at most 64 characters."
  }
}

variable "ingress_class" {
  description = "The Ingress's class; null means that of `ingress_controller`, or the default."
  type        = string
  default     = null
}

variable "ingress_controller" {
  description = <<-EOT
    The ingress controller to install: `traefik`, on ports 80 and 443 of the control plane's node,
    or `none`.
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
    The names of the CAs. All are trusted, and the first one signs: see "Replace the CA".
  EOT
  type        = list(string)
  default     = ["1"]
  nullable    = false
}

variable "certificate_validity_hours" {
  description = "The validity of a certificate in hours."
  type        = number
  default     = 2160 # 90 days
  nullable    = false
}

variable "certificate_early_renewal_hours" {
  description = <<-EOT
    How many hours before its expiry an apply renews a certificate. Nothing else renews it.
  EOT
  type        = number
  default     = 720 # 30 days
  nullable    = false
}

variable "ca_validity_hours" {
  description = "The validity of the CA's certificate in hours."
  type        = number
  default     = 87600 # 10 years
  nullable    = false
}

variable "ca_early_renewal_hours" {
  description = "How many hours before its expiry an apply renews the CA and all its certificates."
  type        = number
  default     = 8760 # a year
  nullable    = false
}

variable "database_ca_certificate" {
  description = <<-EOT
    The CA certificate of an external database, as PEM; null means the CA created here.
  EOT
  type        = string
  default     = null
}

variable "revocation_list" {
  description = "The CRL that the database checks, as PEM."
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
    The content of the file of token hashes, for a kustomization with `components/tokens`.
  EOT
  type        = string
  default     = null
}

variable "rollout_timeout" {
  description = "The time limit for each of database, migration and service to become ready."
  type        = string
  default     = "5m"
  nullable    = false
}
