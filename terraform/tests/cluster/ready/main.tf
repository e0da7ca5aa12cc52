# Fails unless exactly this many pods of the service are ready.
terraform {
  required_version = ">= 1.9"
}

variable "kubeconfig" {
  description = "The path of the kubeconfig file."
  type        = string
}

variable "namespace" {
  description = "The service's namespace."
  type        = string
}

variable "replicas" {
  description = "The expected number of ready pods."
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
