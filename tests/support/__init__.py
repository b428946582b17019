"""What tests are made with: stand-ins for engines, servers on loopback, small libraries."""
