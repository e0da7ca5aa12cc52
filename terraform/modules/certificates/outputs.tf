output "ca_certificate" {
  description = "The authority's certificate, as PEM: what clients are to trust."
  value       = tls_self_signed_cert.ca.cert_pem
}

output "ca_private_key" {
  description = "The authority's private key, as PEM: who has it can be anybody."
  value       = tls_private_key.ca.private_key_pem
  sensitive   = true
}

output "certificates" {
  description = "The certificates and their private keys, as PEM, by the names that were given."
  sensitive   = true
  value = {
    for name in keys(var.certificates) : name => {
      certificate = tls_locally_signed_cert.this[name].cert_pem
      private_key = tls_private_key.this[name].private_key_pem
    }
  }
}

output "valid_until" {
  description = "When each certificate ends, the authority's among them as `ca`."
  value = merge(
    { for name, each in tls_locally_signed_cert.this : name => each.validity_end_time },
    { ca = tls_self_signed_cert.ca.validity_end_time },
  )
}
