variable "kustomization" {
  description = "The folder of the kustomization to apply; nothing of it is copied here."
  type        = string
  nullable    = false
}

variable "namespace" {
  description = "The namespace that everything is put into."
  type        = string
  nullable    = false
}

variable "image" {
  description = "The image of the service and of its migration, with its tag or digest."
  type        = string
  nullable    = false
}

variable "replicas" {
  description = "How many pods serve at least; the autoscaler adds more."
  type        = number
  nullable    = false
}

variable "hostname" {
  description = "The name under which the ingress takes requests."
  type        = string
  nullable    = false
}

variable "ingress_class" {
  description = "The class of the ingress; null leaves it to the cluster's default."
  type        = string
  default     = null
}

variable "secrets" {
  description = "What the Secrets hold, by their names: the type, and the data by its keys."
  type = map(object({
    type = string
    data = map(string)
  }))
  sensitive = true
  nullable  = false
}

variable "revocation_list" {
  description = <<-EOT
    The list of revoked certificates (CRL) that the database heeds, as PEM; null is none.
  EOT
  type        = string
  default     = null
}

variable "pull_secret" {
  description = "The one of the Secrets that opens the image's registry; null when it needs none."
  type        = string
  default     = null
}

variable "kubeconfig" {
  description = <<-EOT
    The file that tells kubectl, which waits for the rollouts, how to reach the cluster.
  EOT
  type        = string
  nullable    = false
}

variable "kubeconfig_context" {
  description = "The context in that file; null is its current one."
  type        = string
  default     = null
}

variable "rollout_timeout" {
  description = "How long the database, the migration and the service each may take to be ready."
  type        = string
  default     = "5m"
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]*[smh]$", var.rollout_timeout))
    error_message = "rollout_timeout must be a number and a unit, such as \"90s\" or \"5m\"."
  }
}
