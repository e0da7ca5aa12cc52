# Fails unless so many pods of the service are ready at once.
terraform {
  required_version = ">= 1.9"
}

variable "kubeconfig" {
  description = "How kubectl reaches the cluster."
  type        = string
}

variable "namespace" {
  description = "Where the service is."
  type        = string
}

variable "replicas" {
  description = "How many pods are expected to be ready."
  type        = number
}

resource "terraform_data" "ready" {
  input = var.replicas

  provisioner "local-exec" {
    command = <<-EOT
      ready=$(kubectl --namespace "$NAMESPACE" get deployment orders \
        --output 'jsonpath={.status.readyReplicas}')
      test "$ready" = ${var.replicas} || { echo "$ready pods are ready" >&2; exit 1; }
    EOT

    environment = {
      KUBECONFIG = var.kubeconfig
      NAMESPACE  = var.namespace
    }
  }
}
