data "kubectl_kustomize_documents" "ingress_controller" {
  count = var.ingress_controller == "none" ? 0 : 1

  target = "${path.module}/../k8s/${var.ingress_controller}"
}

locals {
  # There, the whole word `orders` is always the namespace that the controller serves.
  ingress_controller_documents = [
    for text in [
      for text in flatten(data.kubectl_kustomize_documents.ingress_controller[*].documents) :
      replace(text, "/\\borders\\b/", var.namespace)
    ] : { object = yamldecode(text), text = text }
  ]
  ingress_controller = {
    for each in local.ingress_controller_documents :
    join("/", compact([
      each.object.kind, try(each.object.metadata.namespace, ""), each.object.metadata.name,
    ])) => each.text
  }
}

resource "kubectl_manifest" "ingress_controller_namespace" {
  for_each = {
    for key, text in local.ingress_controller : key => text if startswith(key, "Namespace/")
  }

  yaml_body         = each.value
  server_side_apply = true
  wait              = true
}

resource "kubectl_manifest" "ingress_controller" {
  for_each = {
    for key, text in local.ingress_controller : key => text if !startswith(key, "Namespace/")
  }

  yaml_body         = each.value
  server_side_apply = true

  # Some of the objects are in the namespace that the controller serves.
  depends_on = [kubectl_manifest.ingress_controller_namespace, module.orders]
}
