output "endpoint" {
  description = "The address of the cluster's API."
  value       = kind_cluster.this.endpoint

  # Nobody needs the API before the images are there.
  depends_on = [terraform_data.image]
}

output "cluster_ca_certificate" {
  description = "The authority of the API's certificate, as PEM."
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
  description = "The file that tells kubectl how to reach the cluster."
  value       = kind_cluster.this.kubeconfig_path
}
