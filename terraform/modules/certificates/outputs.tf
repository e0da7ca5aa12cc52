output "ca_certificate" {
  description = <<-EOT
    The certificates of all CAs, as PEM, which clients must trust. The first one is the signing
    CA's.
  EOT
  value       = join("", [for name in var.authorities : tls_self_signed_cert.ca[name].cert_pem])
}

output "authorities" {
  description = <<-EOT
    The certificate and the private key of each CA, as PEM, by its name. Whoever has a key can
    impersonate every party.
  EOT
  sensitive   = true
  value = {
    for name in var.authorities : name => {
      certificate = tls_self_signed_cert.ca[name].cert_pem
      private_key = tls_private_key.ca[name].private_key_pem
    }
  }
}

output "certificates" {
  description = "The certificates and their private keys, as PEM, by the names in `certificates`."
  sensitive   = true
  value = {
    for name in keys(var.certificates) : name => {
      certificate = tls_locally_signed_cert.this[name].cert_pem
      private_key = tls_private_key.this[name].private_key_pem
    }
  }
}

output "valid_until" {
  description = "When each certificate expires; `ca` is the CA's."
  value = merge(
    { for name, each in tls_locally_signed_cert.this : name => each.validity_end_time },
    { ca = tls_self_signed_cert.ca[local.signing].validity_end_time },
  )
}
