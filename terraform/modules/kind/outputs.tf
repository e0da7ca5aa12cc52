output "endpoint" {
  description = "The address of the cluster's API server."
  value       = kind_cluster.this.endpoint

  # Wait for the images before anything uses the API.
  depends_on = [terraform_data.image]
}

output "cluster_ca_certificate" {
  description = "The certificate of the API server's CA, as PEM."
  value       = kind_cluster.this.cluster_ca_certificate
}

output "client_certificate" {
  description = "The administrator's certificate, as PEM."
  value       = kind_cluster.this.client_certificate
}

output "client_key" {
  description = "The administrator's private key, as PEM."
  value       = kind_cluster.this.client_key
  sensitive   = true # the provider does not mark it
}

output "kubeconfig_path" {
  description = "The path of the kubeconfig file."
  value       = kind_cluster.this.kubeconfig_path
}
