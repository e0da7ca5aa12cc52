variable "organization" {
  description = "The organization in every subject and in the CA's name."
  type        = string
  default     = "Orders"
  nullable    = false
}

variable "authorities" {
  description = <<-EOT
    The names of the CAs. All are trusted, and the first one signs. To replace a CA: add the new
    name at the end, and apply; when all parties have the new CA, move its name to the front, and
    apply; when all use new certificates, remove the old name, and apply.
  EOT
  type        = list(string)
  default     = ["1"]
  nullable    = false

  validation {
    condition = (
      length(var.authorities) > 0 && length(distinct(var.authorities)) == length(var.authorities)
      && alltrue([for name in var.authorities : can(regex("^[A-Za-z0-9][A-Za-z0-9.-]{0,19}$", name))])
    )
    error_message = <<-EOT
      authorities must be one or more unique names, each of at most 20 letters, digits, dots and
      hyphens.
    EOT
  }
}

variable "certificates" {
  description = <<-EOT
    The certificates to issue, by a name of your choice. `usage` is `server` or `client`, and the
    certificate is valid for nothing else. PostgreSQL maps a client's `common_name` to a role.
  EOT
  type = map(object({
    common_name = string
    usage       = string
    dns_names   = optional(list(string), [])
  }))
  nullable = false

  validation {
    condition = alltrue([
      for each in var.certificates : contains(["server", "client"], each.usage)
    ])
    error_message = "A certificate's usage must be \"server\" or \"client\"."
  }

  validation {
    condition = alltrue([
      for each in var.certificates : (each.usage == "server") == (length(each.dns_names) > 0)
    ])
    error_message = "A server certificate needs dns_names, and a client certificate must have none."
  }

  validation {
    condition     = alltrue([for each in var.certificates : length(each.common_name) <= 64])
    error_message = "A common_name must have at most 64 characters (RFC 5280)."
  }
}

variable "validity_hours" {
  description = "The validity of a certificate in hours."
  type        = number
  default     = 2160 # 90 days
  nullable    = false

  validation {
    condition     = var.validity_hours >= 1 && floor(var.validity_hours) == var.validity_hours
    error_message = "validity_hours must be a whole number of hours, 1 or more."
  }
}

variable "early_renewal_hours" {
  description = <<-EOT
    How many hours before its expiry an apply renews a certificate. Nothing else renews it.
  EOT
  type        = number
  default     = 720 # 30 days
  nullable    = false

  validation {
    condition = (
      var.early_renewal_hours >= 0 && floor(var.early_renewal_hours) == var.early_renewal_hours
      && var.early_renewal_hours < var.validity_hours
    )
    error_message = <<-EOT
      early_renewal_hours must be a whole number of hours and less than validity_hours; otherwise
      every apply would renew.
    EOT
  }
}

variable "ca_validity_hours" {
  description = "The validity of the CA's certificate in hours."
  type        = number
  default     = 87600 # 10 years
  nullable    = false

  validation {
    condition = (
      var.ca_validity_hours > var.validity_hours
      && floor(var.ca_validity_hours) == var.ca_validity_hours
    )
    error_message = <<-EOT
      ca_validity_hours must be a whole number of hours and more than validity_hours: no certificate
      outlives its CA.
    EOT
  }
}

variable "ca_early_renewal_hours" {
  description = <<-EOT
    How many hours before its expiry an apply renews the CA and all its certificates. At least
    validity_hours, so that no certificate outlives its CA.
  EOT
  type        = number
  default     = 8760 # a year
  nullable    = false

  validation {
    condition = (
      var.ca_early_renewal_hours >= var.validity_hours
      && floor(var.ca_early_renewal_hours) == var.ca_early_renewal_hours
      && var.ca_early_renewal_hours < var.ca_validity_hours
    )
    error_message = <<-EOT
      ca_early_renewal_hours must be a whole number of hours, at least validity_hours and less
      than ca_validity_hours.
    EOT
  }
}
