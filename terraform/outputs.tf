output "url" {
  description = "Where the Ingress takes requests; clients verify it with `ca_certificate`."
  value       = "https://${var.hostname}${local.url_port}"

  depends_on = [module.orders, kubectl_manifest.ingress_controller]
}

output "service_url" {
  description = "Where this machine reaches the Service of the new cluster, without an Ingress."
  value       = var.create_cluster ? "http://127.0.0.1:${var.service_port}" : null

  depends_on = [module.orders]
}

output "kubeconfig_path" {
  description = "The file that tells kubectl how to reach the cluster."
  value       = local.kubeconfig
}

output "namespace" {
  description = "The namespace that everything is in."
  value       = var.namespace
}

output "ca_certificate" {
  description = <<-EOT
    The certificates of the authorities, as PEM: what clients of the Ingress are to trust. The first
    is of the one that signs.
  EOT
  value       = module.certificates.ca_certificate
}

output "authorities" {
  description = <<-EOT
    The certificate and the private key of each authority, as PEM, by its name: who has the key can
    be anybody.
  EOT
  value       = module.certificates.authorities
  sensitive   = true
}

output "certificates" {
  description = <<-EOT
    The certificates and private keys of `service`, `owner`, `database` and `ingress`, as PEM.
  EOT
  value       = module.certificates.certificates
  sensitive   = true
}

output "certificates_valid_until" {
  description = "When each certificate ends, the authority's among them as `ca`."
  value       = module.certificates.valid_until
}

output "superuser_password" {
  description = <<-EOT
    The password that the database was made with; nobody can log in with it over the network.
  EOT
  value       = sha256(tls_private_key.superuser_password.private_key_pem)
  sensitive   = true
}

output "objects" {
  description = "What was applied from the kustomization, as kind/namespace/name."
  value       = module.orders.objects
}
