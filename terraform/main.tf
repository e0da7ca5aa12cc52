locals {
  image         = "${var.image}${startswith(var.image_tag, "sha256:") ? "@" : ":"}${var.image_tag}"
  kubeconfig    = abspath(pathexpand(coalesce(var.kubeconfig, "${path.root}/kubeconfig")))
  kustomization = coalesce(var.kustomization, "${path.module}/../k8s/overlays/kind")
  database      = "orders-postgres"

  # Name the installed controller's class: the default class applies only to new Ingresses.
  ingress_class    = try(coalesce(var.ingress_class, local.installed_class), null)
  installed_class  = var.ingress_controller == "none" ? null : var.ingress_controller
  url_port         = var.create_cluster && var.https_port != 443 ? ":${var.https_port}" : ""
  private_registry = nonsensitive(var.registry_credentials != null)

  # k8s/README.md documents these Secrets.
  ca          = module.certificates.ca_certificate
  database_ca = coalesce(var.database_ca_certificate, local.ca)
  secrets = merge(
    {
      for secret, of in {
        orders-client-tls          = { certificate = "service", ca = local.database_ca }
        orders-owner-tls           = { certificate = "owner", ca = local.database_ca }
        orders-postgres-server-tls = { certificate = "database", ca = local.ca }
        orders-ingress-tls         = { certificate = "ingress", ca = local.ca }
      } :
      secret => {
        type = "kubernetes.io/tls"
        data = {
          "ca.crt"  = of.ca
          "tls.crt" = module.certificates.certificates[of.certificate].certificate
          "tls.key" = module.certificates.certificates[of.certificate].private_key
        }
      }
    },
    {
      orders-postgres-superuser = {
        type = "Opaque"
        data = { password = sha256(tls_private_key.superuser_password.private_key_pem) }
      }
    },
    {
      for file in var.tokens[*] : "orders-tokens" => { type = "Opaque", data = { tokens = file } }
    },
    {
      for login in local.private_registry ? [var.registry_credentials] : [] :
      "orders-pull" => {
        type = "kubernetes.io/dockerconfigjson"
        data = {
          ".dockerconfigjson" = jsonencode({
            auths = {
              (login.server) = {
                username = login.username
                password = login.password
                auth     = base64encode("${login.username}:${login.password}")
              }
            }
          })
        }
      }
    },
  )
}

module "kind" {
  source = "./modules/kind"
  count  = var.create_cluster ? 1 : 0

  name            = var.cluster_name
  node_image      = var.node_image
  workers         = var.workers
  kubeconfig_path = local.kubeconfig
  images          = var.load_images == null ? [local.image] : var.load_images

  ports = {
    "30080" = var.service_port
    "80"    = var.http_port
    "443"   = var.https_port
  }
}

module "certificates" {
  source = "./modules/certificates"

  authorities            = var.certificate_authorities
  validity_hours         = var.certificate_validity_hours
  early_renewal_hours    = var.certificate_early_renewal_hours
  ca_validity_hours      = var.ca_validity_hours
  ca_early_renewal_hours = var.ca_early_renewal_hours

  certificates = {
    service = { usage = "client", common_name = "ordersuser" }
    owner   = { usage = "client", common_name = "orders_owner" }
    database = {
      usage       = "server"
      common_name = local.database
      dns_names = [
        local.database,
        "${local.database}.${var.namespace}",
        "${local.database}.${var.namespace}.svc",
        "${local.database}.${var.namespace}.svc.cluster.local",
      ]
    }
    ingress = { usage = "server", common_name = var.hostname, dns_names = [var.hostname] }
  }
}

# The PostgreSQL image requires a password, although pg_hba.conf accepts none. The hash of a new key
# is random enough, and needs no other provider.
resource "tls_private_key" "superuser_password" {
  algorithm   = "ECDSA"
  ecdsa_curve = "P256"
}

provider "kubectl" {
  load_config_file       = !var.create_cluster
  config_path            = var.create_cluster ? null : local.kubeconfig
  config_context         = var.create_cluster ? null : var.kubeconfig_context
  host                   = one(module.kind[*].endpoint)
  cluster_ca_certificate = one(module.kind[*].cluster_ca_certificate)
  client_certificate     = one(module.kind[*].client_certificate)
  client_key             = one(module.kind[*].client_key)
}

module "orders" {
  source = "./modules/orders"

  kustomization      = local.kustomization
  namespace          = var.namespace
  image              = local.image
  replicas           = var.replicas
  hostname           = var.hostname
  ingress_class      = local.ingress_class
  secrets            = local.secrets
  revocation_list    = var.revocation_list
  pull_secret        = local.private_registry ? "orders-pull" : null
  kubeconfig         = local.kubeconfig
  kubeconfig_context = var.create_cluster ? null : var.kubeconfig_context
  rollout_timeout    = var.rollout_timeout
}
