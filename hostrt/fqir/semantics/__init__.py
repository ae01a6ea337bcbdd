"""What every operator of FQIR computes, bit for bit (FQIR reference 3 and 4)."""
