output "url" {
  description = "The Ingress's URL; clients verify it with `ca_certificate`."
  value       = "https://${var.hostname}${local.url_port}"

  depends_on = [module.orders, kubectl_manifest.ingress_controller]
}

output "service_url" {
  description = "The URL of the new cluster's Service on this machine, without an Ingress."
  value       = var.create_cluster ? "http://127.0.0.1:${var.service_port}" : null

  depends_on = [module.orders]
}

output "kubeconfig_path" {
  description = "The path of the kubeconfig file."
  value       = local.kubeconfig
}

output "namespace" {
  description = "The namespace of all objects."
  value       = var.namespace
}

output "ca_certificate" {
  description = <<-EOT
    The certificates of all CAs, as PEM, which the Ingress's clients must trust. The first one is
    the signing CA's.
  EOT
  value       = module.certificates.ca_certificate
}

output "authorities" {
  description = <<-EOT
    The certificate and the private key of each CA, as PEM, by its name. Whoever has a key can
    impersonate every party.
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
  description = "When each certificate expires; `ca` is the CA's."
  value       = module.certificates.valid_until
}

output "superuser_password" {
  description = <<-EOT
    The database superuser's password, which the PostgreSQL image requires. It allows no login.
  EOT
  value       = sha256(tls_private_key.superuser_password.private_key_pem)
  sensitive   = true
}

output "objects" {
  description = "The objects applied from the kustomization, as kind/namespace/name."
  value       = module.orders.objects
}
