output "objects" {
  description = "What was applied from the kustomization, as kind/namespace/name."
  value       = sort(keys(local.placed))

  # Who reads it may rely on the service.
  depends_on = [terraform_data.service]
}
