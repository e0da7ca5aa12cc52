data "kubectl_kustomize_documents" "ingress_controller" {
  count = var.ingress_controller == "none" ? 0 : 1

  target = "${path.module}/../k8s/${var.ingress_controller}"
}

locals {
  ingress_controller = {
    for text in flatten(data.kubectl_kustomize_documents.ingress_controller[*].documents) :
    join("/", compact([
      yamldecode(text).kind, try(yamldecode(text).metadata.namespace, ""), yamldecode(text).metadata.name,
    ])) => text
  }
}

resource "kubectl_manifest" "ingress_controller_namespace" {
  for_each = { for key, text in local.ingress_controller : key => text if startswith(key, "Namespace/") }

  yaml_body         = each.value
  server_side_apply = true
  wait              = true
}

resource "kubectl_manifest" "ingress_controller" {
  for_each = { for key, text in local.ingress_controller : key => text if !startswith(key, "Namespace/") }

  yaml_body         = each.value
  server_side_apply = true

  depends_on = [kubectl_manifest.ingress_controller_namespace]
}
