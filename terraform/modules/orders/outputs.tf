output "objects" {
  description = "The objects applied from the kustomization, as kind/namespace/name."
  value       = sort(keys(local.placed))

  # When this output is available, the service is ready.
  depends_on = [terraform_data.service]
}

output "secret_names" {
  description = "The names of the created Secrets."
  value       = keys(kubectl_manifest.secret)
}
