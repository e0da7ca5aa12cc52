variable "kustomization" {
  description = "The folder of the kustomization to apply."
  type        = string
  nullable    = false
}

variable "namespace" {
  description = "The namespace for all objects."
  type        = string
  nullable    = false
}

variable "image" {
  description = "The image of the service and the migration, with a tag or digest."
  type        = string
  nullable    = false
}

variable "replicas" {
  description = "The minimum number of pods that serve; the autoscaler adds more."
  type        = number
  nullable    = false
}

variable "hostname" {
  description = "The Ingress's host name."
  type        = string
  nullable    = false
}

variable "ingress_class" {
  description = "The Ingress's class; null means the cluster's default."
  type        = string
  default     = null
}

variable "secrets" {
  description = "The Secrets to create, by name: the type, and the data by key."
  type = map(object({
    type = string
    data = map(string)
  }))
  sensitive = true
  nullable  = false
}

variable "revocation_list" {
  description = <<-EOT
    The CRL that the database checks, as PEM; null means none.
  EOT
  type        = string
  default     = null
}

variable "pull_secret" {
  description = "The name of the Secret with the registry's credentials; null means none."
  type        = string
  default     = null
}

variable "kubeconfig" {
  description = <<-EOT
    The path of the kubeconfig file for kubectl, which waits for the rollouts.
  EOT
  type        = string
  nullable    = false
}

variable "kubeconfig_context" {
  description = "The context in that file; null means the current context."
  type        = string
  default     = null
}

variable "rollout_timeout" {
  description = "The time limit for each of database, migration and service to become ready."
  type        = string
  default     = "5m"
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]*[smh]$", var.rollout_timeout))
    error_message = "rollout_timeout must be a number and a unit, such as \"90s\" or \"5m\"."
  }
}
