terraform {
  required_version = ">= 1.9"

  required_providers {
    # tflint-ignore: terraform_unused_required_providers # the tests mock it
    kind = {
      source  = "tehcyx/kind"
      version = "0.9.0"
    }
    kubectl = {
      source  = "gavinbunney/kubectl"
      version = "1.19.0"
    }
    tls = {
      source  = "hashicorp/tls"
      version = "4.1.0"
    }
  }
}
