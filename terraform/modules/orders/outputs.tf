output "objects" {
  description = "What was applied from the kustomization, as kind/namespace/name."
  value       = sort(keys(local.placed))

  # Who reads it may rely on the service.
  depends_on = [terraform_data.service]
}

output "secret_names" {
  description = "The names of the Secrets that were made."
  value       = keys(kubectl_manifest.secret)
}
